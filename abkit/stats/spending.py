"""How much of the error is spent by the time a share of the information is in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from abkit.display import Displayed
from abkit.errors import ParameterError
from abkit.stats.moments import Array

Family = Literal["obrien_fleming", "pocock", "hwang_shih_decani", "power"]


@dataclass(frozen=True, slots=True)
class Spending(Displayed):
    """A spending function: the error that may have been used at each share of the planned information.

    Parameters
    ----------
    family : {"obrien_fleming", "pocock", "hwang_shih_decani", "power"}
        ``obrien_fleming``: 2 - 2 Phi(z / sqrt(t)) with z the normal quantile at 1 - error / 2, little at first;
        ``pocock``: error log(1 + (e - 1) t), about the same at every look (both Lan & DeMets 1983);
        ``hwang_shih_decani``: error (1 - exp(-g t)) / (1 - exp(-g)) (Hwang, Shih & DeCani 1990);
        ``power``: error t^r (Kim & DeMets 1987).
    parameter : float
        g or r of the last two.

    Raises
    ------
    ParameterError
        An unknown family, or a power that is not positive.

    Examples
    --------
    >>> Spending("power", 2.0)([0.5, 1.0], 0.05).tolist()
    [0.0125, 0.05]
    """

    family: Family = "obrien_fleming"
    parameter: float = 1.0

    def __post_init__(self) -> None:
        if self.family not in ("obrien_fleming", "pocock", "hwang_shih_decani", "power"):
            raise ParameterError(f"{self.family!r} is not a family of spending functions")
        if self.family == "power" and self.parameter <= 0:
            raise ParameterError("the power of a spending function is positive")

    def __call__(self, information: npt.ArrayLike, error: float) -> Array:
        """Error spent by `information` (...), a share of the planned one; all of it from 1 on."""
        t = np.clip(np.asarray(information, dtype=np.float64), 0.0, 1.0)
        if self.family == "obrien_fleming":
            with np.errstate(divide="ignore"):
                return np.asarray(2 * special.ndtr(special.ndtri(error / 2) / np.sqrt(t)))
        if self.family == "pocock":
            return np.asarray(error * np.log1p(np.expm1(1.0) * t))
        if self.family == "power":
            return np.asarray(error * t**self.parameter)
        if self.parameter == 0:
            return np.asarray(error * t)
        return np.asarray(error * np.expm1(-self.parameter * t) / np.expm1(-self.parameter))
