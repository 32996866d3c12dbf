"""Sample-ratio mismatch: did the split do what was planned?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special


@dataclass(frozen=True, slots=True)
class SplitTest:
    """Observed counts against the planned shares.

    Parameters
    ----------
    observed, expected : tuple of float
        Units by variant.
    statistic : float
        Pearson's chi-square.
    df : int
        Variants with a positive share, less one.
    p_value : float
        Probability of a mismatch this large under the planned split.
    """

    observed: tuple[float, ...]
    expected: tuple[float, ...]
    statistic: float
    df: int
    p_value: float


def srm(observed: npt.ArrayLike, shares: npt.ArrayLike) -> SplitTest:
    """Test observed counts against the planned split (Pearson 1900; Fabijan et al. 2019).

    Parameters
    ----------
    observed : array_like (V,)
        Units by variant.
    shares : array_like (V,)
        Planned shares in any unit; normalized. A share of 0 does not count in the degrees of freedom, and any unit seen
        there makes the p-value 0.

    Returns
    -------
    SplitTest

    Raises
    ------
    ValueError
        Fewer than two positive shares, or no units.

    Examples
    --------
    >>> round(srm([44700, 45489], [50, 50]).p_value, 4)
    0.0086
    """
    counts = np.asarray(observed, dtype=np.float64)
    weights = np.asarray(shares, dtype=np.float64)
    planned = weights > 0
    if planned.sum() < 2 or counts.sum() <= 0:
        raise ValueError("a split needs units and at least two variants with a positive share")
    expected = counts.sum() * weights / weights.sum()
    df = int(planned.sum()) - 1
    statistic = float(((counts - expected)[planned] ** 2 / expected[planned]).sum())
    stray = bool((counts[~planned] > 0).any())
    p_value = 0.0 if stray else float(special.chdtrc(df, statistic))
    return SplitTest(tuple(counts.tolist()), tuple(expected.tolist()), statistic, df, p_value)
