"""What a power calculation answers, as a table."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import numpy as np

from abkit.stats.estimate import number_text

_SHOWN = 20
_COLUMNS = ("n_control", "n_treatment", "n_total", "effect", "lift", "power", "alpha")


@dataclass(frozen=True, slots=True, repr=False)
class PowerAnalysis:
    """Size, effect and power that belong together, one row per scenario.

    Parameters
    ----------
    solved : str
        Which of them was asked for.
    n_control, n_treatment, n_total : number or array
        Units in control, in each treatment, and over all variants. Paired: the same units in both.
    effect, lift : number or array
        True effect, absolute and relative to the control level; lift is None without a control level.
    power, alpha : number or array
    n_exact : number or array
        Control units before rounding up.
    note : str
    """

    solved: str
    n_control: Any
    n_treatment: Any
    n_total: Any
    effect: Any
    lift: Any
    power: Any
    alpha: Any
    n_exact: Any
    note: str = ""

    def rows(self) -> list[dict[str, Any]]:
        """One mapping of names to numbers per scenario."""
        names = [name for name in _COLUMNS if getattr(self, name) is not None]
        flat = np.broadcast_arrays(*(np.atleast_1d(getattr(self, name)) for name in names))
        return [dict(zip(names, row, strict=True)) for row in zip(*(column.flat for column in flat), strict=True)]

    def __repr__(self) -> str:
        rows = self.rows()
        names = list(rows[0])
        cells = [names, *([number_text(row[name]) for name in names] for row in rows[:_SHOWN])]
        widths = [max(len(row[i]) for row in cells) for i in range(len(names))]
        lines = ["  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in cells]
        return "\n".join([self._title, *lines, *self._foot(len(rows))])

    def _repr_html_(self) -> str:
        rows = self.rows()
        head = "".join(f"<th>{html.escape(name)}</th>" for name in rows[0])
        body = "".join(
            f"<tr>{''.join(f'<td>{number_text(number)}</td>' for number in row.values())}</tr>" for row in rows[:_SHOWN]
        )
        foot = "".join(f"<p>{html.escape(line)}</p>" for line in self._foot(len(rows)))
        return f"<table><caption>{html.escape(self._title)}</caption><tr>{head}</tr>{body}</table>{foot}"

    @property
    def _title(self) -> str:
        return f"solved for {self.solved}"

    def _foot(self, count: int) -> list[str]:
        more = [f"... {count - _SHOWN} more"] if count > _SHOWN else []
        return more + ([self.note] if self.note else [])
