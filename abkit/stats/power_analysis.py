"""What a power calculation answers, as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from abkit.display import Card, Displayed, Table, cell

_MOST_IN_CARD = 100
_COLUMNS = ("n_control", "n_treatment", "n_total", "effect", "lift", "power", "alpha")


@dataclass(frozen=True, slots=True, repr=False)
class PowerAnalysis(Displayed):
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

    def _card(self) -> Card:
        rows = self.rows()
        cells = [[cell(number) for number in row.values()] for row in rows[:_MOST_IN_CARD]]
        left = len(rows) - len(cells)
        more = [f"The first {_MOST_IN_CARD} of {len(rows)} scenarios; .to_frame() has all."] if left else []
        note = [self.note] if self.note else []
        return Card(f"solved for {self.solved}", [*note, *more], [Table(list(rows[0]), cells)])

    def _records(self) -> list[dict[str, Any]]:
        return self.rows()
