"""From an executed notebook to one HTML file that needs nothing else: no script, no request."""

from __future__ import annotations

import functools
import sys
import threading
from pathlib import Path
from typing import Any

sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # else jsonschema builds a grammar for 2 s

_TEMPLATES = Path(__file__).parent / "templates"
_one_at_a_time = threading.Lock()


@functools.cache
def _exporter() -> Any:
    """Making one costs half a second; using it again next to nothing."""
    from nbconvert import HTMLExporter

    return HTMLExporter(template_name="abkit", extra_template_basedirs=[str(_TEMPLATES)], embed_images=False)


def render_html(notebook: Any, title: str) -> str:
    """Render an executed notebook with abkit's template.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        Only its Markdown and its `text/html` outputs are shown.
    title : str
        Title of the page; escaped.

    Returns
    -------
    str
        A complete HTML page.
    """
    notebook.metadata["abkit"] = {"title": title}
    with _one_at_a_time:
        page, _ = _exporter().from_notebook_node(notebook)
    return str(page)


def render_page(template: str, **values: Any) -> str:
    """Render a page that comes from no notebook, in the same dress; every value is escaped."""
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(loader=FileSystemLoader(_TEMPLATES / "abkit"), autoescape=True, trim_blocks=True)
    return environment.get_template(template).render(**values)
