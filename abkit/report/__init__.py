"""Reports: a notebook is run, rendered and published. Names load when used: papermill and nbconvert are heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from abkit.report.render import Report, render_report

__all__ = ["Report", "render_report"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from abkit.report import render

        return getattr(render, name)
    raise AttributeError(f"module 'abkit.report' has no attribute {name!r}")
