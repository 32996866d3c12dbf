"""Do effects in separate sets of units differ more than their errors explain?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from abkit.display import Displayed
from abkit.errors import ParameterError


@dataclass(frozen=True, slots=True)
class Interaction(Displayed):
    """Whether k effects are one.

    Parameters
    ----------
    statistic : float
        Cochran's Q: the squared distances of the effects from their weighted mean, in their own variances.
    df : float
        k - 1.
    df_error : float or None
        Degrees of freedom of the denominator of Welch's F; None where the errors are taken as known.
    p_value : float
        Probability of effects this far apart where all are one.
    i_squared : float
        Share of the spread of the effects that their errors do not explain, 0 to 1.
    """

    statistic: float
    df: float
    df_error: float | None
    p_value: float
    i_squared: float


def interaction_test(values: npt.ArrayLike, ses: npt.ArrayLike, dfs: npt.ArrayLike | None = None) -> Interaction:
    """Test whether independent effects are equal, which no pair of separate tests does.

    That one effect is significant and another is not says nothing about their difference (Gelman & Stern 2006); this
    does. Cochran's Q (1954) is judged by the chi-square distribution where the errors are known, and with degrees of
    freedom of the errors by Welch's F (1951, eq. 20-22), which keeps its level where the weights are uncertain.

    Parameters
    ----------
    values, ses : array_like (k,)
        Effects and their standard errors, of disjoint sets of units; k >= 2, errors positive.
    dfs : array_like (k,), optional
        Degrees of freedom of the standard errors.

    Returns
    -------
    Interaction
        I squared after Higgins & Thompson (2002, eq. 10).

    Raises
    ------
    ParameterError
        Fewer than two effects, or one without a positive error.

    Examples
    --------
    >>> test = interaction_test([1.0, 3.0], [0.5, 0.5])
    >>> test.statistic, test.df, round(test.p_value, 6), test.i_squared
    (8.0, 1.0, 0.004678, 0.875)
    >>> round(interaction_test([1.0, 3.0], [0.5, 0.5], [9, 9]).p_value, 6)
    0.011136
    """
    y, s = np.asarray(values, dtype=np.float64), np.asarray(ses, dtype=np.float64)
    if y.size < 2 or y.shape != s.shape or not (s > 0).all() or not np.isfinite(y).all():
        raise ParameterError("an interaction needs two or more effects, each with a positive standard error")
    weight = 1 / s**2
    share = weight / weight.sum()
    statistic = float((weight * (y - (share * y).sum()) ** 2).sum())
    df = y.size - 1.0
    i_squared = max(0.0, 1 - df / statistic) if statistic > 0 else 0.0
    if dfs is None:
        return Interaction(statistic, df, None, float(special.chdtrc(df, statistic)), i_squared)
    lost = float(((1 - share) ** 2 / np.asarray(dfs, dtype=np.float64)).sum())
    k = float(y.size)
    f = statistic / df / (1 + 2 * (k - 2) / (k**2 - 1) * lost)
    df_error = (k**2 - 1) / (3 * lost)
    return Interaction(statistic, df, df_error, float(special.fdtrc(df, df_error, f)), i_squared)
