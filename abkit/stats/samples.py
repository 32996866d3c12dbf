"""Samples as they come in: numbers, one per unit or row."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from abkit.errors import ParameterError
from abkit.stats.moments import Array


def finite_sample(values: npt.ArrayLike) -> Array:
    """Values as an array of finite numbers.

    Parameters
    ----------
    values : array_like (n,)

    Returns
    -------
    array (n,)

    Raises
    ------
    ParameterError
        More than one axis, or a value that is missing or infinite: whoever calls decides what to do with those.

    Examples
    --------
    >>> finite_sample([True, False, 2]).tolist()
    [1.0, 0.0, 2.0]
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1:
        raise ParameterError(f"a sample has one axis, not {sample.ndim}")
    if not np.isfinite(sample).all():
        raise ParameterError(f"{int((~np.isfinite(sample)).sum())} of {sample.size} values are missing or infinite")
    return sample
