"""Reading the inputs of a case: one quantity may go by several names."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_MISSING = object()


def pick(inputs: dict[str, Any], *names: str, default: Any = _MISSING) -> Any:
    for name in names:
        if name in inputs:
            return inputs[name]
    if default is _MISSING:
        raise KeyError(f"none of {names} among the inputs {sorted(inputs)}")
    return default


def alpha_of(inputs: dict[str, Any]) -> float:
    level = pick(inputs, "confidence", "conf_level", "confidence_level", "level", default=None)
    if level is not None:
        return 1 - float(level)
    return float(pick(inputs, "alpha", "sig_level", default=0.05))


def sample(inputs: dict[str, Any], arm: str) -> npt.NDArray[np.float64]:
    return np.asarray(pick(inputs, arm, f"{arm}_values", f"values_{arm}", f"{arm}_post", f"{arm}_y"), dtype=np.float64)


def summary(inputs: dict[str, Any], arm: str, binomial_ddof: int = 0) -> tuple[float, float, float]:
    """n, mean and variance of an arm from raw values, counts, or statistics."""
    stats = pick(inputs, f"{arm}_stats", default=None)
    if isinstance(inputs.get(arm), dict):
        stats = inputs[arm]
    if stats is None and f"{arm}_successes" in inputs:
        n, rate = float(inputs[f"{arm}_n"]), inputs[f"{arm}_successes"] / inputs[f"{arm}_n"]
        return n, rate, rate * (1 - rate) * n / (n - binomial_ddof)
    if stats is None and f"{arm}_mean" in inputs:
        stats = {key.removeprefix(f"{arm}_"): value for key, value in inputs.items() if key.startswith(f"{arm}_")}
    if stats is None:
        values = sample(inputs, arm)
        return float(len(values)), float(values.mean()), float(values.var(ddof=1)) if len(values) > 1 else float("nan")
    n = float(stats["n"])
    if "sum" in stats:
        mean = stats["sum"] / n
        return n, mean, (pick(stats, "sum_squares", "sum_sq") - n * mean**2) / (n - 1)
    variance = pick(stats, "var", "variance", default=None)
    return n, float(stats["mean"]), float(stats["sd"]) ** 2 if variance is None else float(variance)


def number(value: Any) -> Any:
    """A plain number, or None for what is not finite."""
    if value is None:
        return None
    if np.ndim(value):
        return [number(item) for item in value]
    return float(value) if np.isfinite(value) else None
