"""Reading samples, counts and tests out of a case's inputs: one quantity may go by several names."""

import numpy as np

from abkit.stats.summary import Summary

_NOTHING = object()
_ARMS = {
    "control": ("control", "c", "a", "0", "x0", "y0", "x", "baseline"),
    "treatment": ("treatment", "t", "b", "1", "x1", "y1", "y", "variant"),
}


def pick(inputs, *names, default=_NOTHING):
    for name in names:
        if inputs.get(name) is not None:
            return inputs[name]
    if default is _NOTHING:
        raise KeyError(f"none of {names} among {sorted(inputs)}")
    return default


def level_of(inputs, default=0.95):
    level = pick(inputs, "confidence", "conf_level", "confidence_level", "level", default=None)
    return float(level) if level is not None else 1 - float(pick(inputs, "alpha", "sig_level", default=1 - default))


def alternative_of(inputs):
    if pick(inputs, "sides", default=2) == 1 and "alternative" not in inputs:
        return "greater"
    name = str(pick(inputs, "alternative", "side", default="two-sided")).replace(".", "-").replace("_", "-")
    return {"two-sided": "two-sided", "larger": "greater", "smaller": "less"}.get(name, name)


def sample_of(inputs, arm):
    """Raw values of an arm."""
    for name in _ARMS[arm]:
        for key in (name, f"{name}_values", f"values_{name}", f"{name}_post"):
            if isinstance(inputs.get(key), (list, tuple)):
                return np.asarray(inputs[key], dtype=np.float64)
    raise KeyError(f"no values of {arm} among {sorted(inputs)}")


def summary_of(inputs, arm, degrees=0):
    """Summary of an arm from values, statistics or counts; `degrees` is taken from n in a rate's variance."""
    for name in _ARMS[arm]:
        for key in (f"{name}_stats", f"{name}_summary", name):
            if isinstance(inputs.get(key), dict):
                return _from_statistics(inputs[key], degrees)
        prefixed = {key.removeprefix(f"{name}_"): value for key, value in inputs.items() if key.startswith(f"{name}_")}
        suffixed = {key.removesuffix(f"_{name}"): value for key, value in inputs.items() if key.endswith(f"_{name}")}
        for found in (prefixed, suffixed):
            if "n" in found and found.keys() & {"mean", "m", "successes", "conversions", "sum"}:
                return _from_statistics(found, degrees)
    return Summary.of(sample_of(inputs, arm))


def _from_statistics(stats, degrees):
    if isinstance(pick(stats, "values", default=None), list):
        return Summary.of(stats["values"])
    n = float(pick(stats, "n", "count", "size", "users"))
    successes = pick(stats, "successes", "conversions", default=None)
    if successes is not None:
        rate = successes / n
        return Summary(n, rate, rate * (1 - rate) * n / (n - degrees))
    if "sum" in stats:
        return Summary.from_sums(n, stats["sum"], pick(stats, "sum_squares", "sum_of_squares", "sum_sq", "sumsq"))
    mean = float(pick(stats, "mean", "m"))
    variance = pick(stats, "var", "variance", default=None)
    if variance is None:
        variance = float(pick(stats, "sd", "std", "s")) ** 2
    return Summary(n, mean, float(variance))


def counts_of(inputs):
    """Successes and units of treatment, then of control."""
    found = []
    for arm in ("treatment", "control"):
        whole = inputs.get(arm)
        if isinstance(whole, dict):
            found += [pick(whole, "successes", "x"), pick(whole, "n")]
        elif isinstance(whole, list):
            found += list(whole) if len(whole) == 2 and whole[1] > 1 else [sum(whole), len(whole)]
        else:
            successes = [f"{arm}_successes", f"successes_{arm}", f"x_{arm}", f"{arm}_x", f"{arm}_conversions"]
            place = "1" if arm == "treatment" else "0"
            found += [
                pick(inputs, *successes, f"x{place}", f"successes{place}"),
                pick(inputs, f"{arm}_n", f"n_{arm}", f"n{place}"),
            ]
    return tuple(found)
