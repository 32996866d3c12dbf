"""What MkDocs asks while it builds the site: the pages that are generated, and what a folder in the nav stands for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import analysis_json
import command_line
import experiment_file
import http_api
import python_api
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]


def generated() -> dict[str, str]:
    """Return the text of every page that is made from the code, by its place in the site."""
    return {
        **python_api.pages(),
        "reference/command-line.md": command_line.page(),
        "reference/experiment-file.md": experiment_file.page(),
        "reference/analysis-json.md": analysis_json.page(),
        "reference/http.md": http_api.page(ROOT / "docs/openapi.json"),
        "examples.md": (ROOT / "examples/README.md").read_text(encoding="utf-8"),
        "changelog.md": (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
    }


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages and the sample report, then let folders in the nav stand for their pages."""
    for place, text in generated().items():
        files.append(File.generated(config, place, content=text))
    sample = ROOT / "reports/sample/report.html"
    files.append(File.generated(config, "sample/report.html", abs_src_path=str(sample)))
    pages = {file.src_uri: str(file.content_string) for file in files.documentation_pages()}
    config.nav = list(_expanded(config.nav, pages, set(_named(config.nav))))
    return files


def _named(nav: Any) -> Iterator[str]:
    """Every page or folder that the nav names, at any depth."""
    for entry in nav:
        for item in entry.values() if isinstance(entry, dict) else [entry]:
            if isinstance(item, list):
                yield from _named(item)
            else:
                yield item


def _expanded(nav: Any, pages: dict[str, str], named: set[str]) -> Iterator[Any]:
    for entry in nav:
        if isinstance(entry, dict):
            (title, item), *_ = entry.items()
            inner = [item] if isinstance(item, str) and item.endswith("/") else item
            yield {title: list(_expanded(inner, pages, named)) if isinstance(inner, list) else inner}
        elif entry.endswith("/"):
            rest = [page for page in pages if page.startswith(entry) and page not in named]
            yield from sorted(rest, key=lambda page: _order(page, pages[page]))
        else:
            yield entry


def _order(page: str, text: str) -> tuple[str, str]:
    """Numbered pages by number, others by title."""
    title = re.search(r"^# (.+)$", text, re.MULTILINE)
    return (page if Path(page).name[0].isdigit() else "", title[1].lower() if title else page)
