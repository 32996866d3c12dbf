"""Means, lifts, non-inferiority, summaries."""

import math
import re

import numpy as np
from scipy import special

from abkit.stats import (
    Summary,
    geometric_lift,
    mean_difference,
    mean_lift,
    mean_noninferiority,
    trimmed,
    trimmed_difference,
)
from abkit.stats.inference import Comparison
from abkit.stats.means import FixedTest
from abkit.stats.summary import levels_of
from tests.reference.readings import alternative_of, counts_of, level_of, pick, sample_of, summary_of


def answer_of(estimate):
    value, low, high = estimate.value, estimate.low, estimate.high
    reason = None if estimate.reason is None else estimate.reason.value
    return {
        **dict.fromkeys(("diff", "difference", "estimate", "value", "effect"), value),
        **dict.fromkeys(("standard_error", "se", "stderr"), estimate.se),
        **dict.fromkeys(("statistic", "t", "t_statistic", "z", "z_statistic"), estimate.statistic),
        "df": estimate.df,
        "p_value": estimate.p_value,
        "p": estimate.p_value,
        "ci_low": low,
        "ci_high": high,
        "ci_lower": low,
        "ci_upper": high,
        "ci": None if low is None and high is None else [low, high],
        "reason": reason,
        "status": "ok" if reason is None else "not_inferable",
        "significant": estimate.is_significant,
        "warning": reason is not None,
    }


def difference(method):
    def run(inputs):
        pair = summary_of(inputs, "treatment"), summary_of(inputs, "control")
        null = pick(inputs, "null", "null_difference", "delta0", "mu", default=0.0)
        options = {"level": level_of(inputs), "alternative": alternative_of(inputs), "null": null}
        estimate = mean_difference(*pair, method=method, **options)
        return {
            **answer_of(estimate),
            "mean_treatment": pair[0].mean,
            "mean_control": pair[1].mean,
            "treatment_mean": pair[0].mean,
            "control_mean": pair[1].mean,
        }

    return run


def welch_or_student(inputs):
    return difference("student" if pick(inputs, "equal_var", "var_equal", default=False) else "welch")(inputs)


def trimmed_t(inputs):
    values = sample_of(inputs, "treatment"), sample_of(inputs, "control")
    share = pick(inputs, "trim", "share", "proportion", default=0.2)
    method = "student" if pick(inputs, "equal_var", "var_equal", default=False) else "welch"
    options = {"share": share, "level": level_of(inputs), "alternative": alternative_of(inputs), "method": method}
    means = [trimmed(sample, share).mean for sample in values]
    extra = {"treatment_trimmed_mean": means[0], "control_trimmed_mean": means[1]}
    return {**answer_of(trimmed_difference(*values, **options)), **extra}


def lift(method):
    def run(inputs):
        degrees = 0
        pair = summary_of(inputs, "treatment", degrees), summary_of(inputs, "control", degrees)
        options = {"level": level_of(inputs), "alternative": alternative_of(inputs)}
        estimate = mean_lift(*pair, method=method, **options)
        absolute = mean_difference(*pair, **options)
        shifted = [None if bound is None else bound + 1 for bound in (estimate.value, estimate.low, estimate.high)]
        wide = [estimate.low, estimate.high]
        return {
            **answer_of(estimate),
            "lift": estimate.value,
            "lift_ci": wide,
            "lift_ci_low": estimate.low,
            "lift_ci_high": estimate.high,
            "ratio": shifted[0],
            "ratio_ci_low": shifted[1],
            "ratio_ci_high": shifted[2],
            "p_value_ratio_equals_1": estimate.p_value,
            "diff": absolute.value,
            "difference": absolute.value,
            "ci_low_abs": absolute.low,
            "ci_high_abs": absolute.high,
            **({"statistic": absolute.statistic, "p_value": absolute.p_value} if method == "log" else {}),
            "statistic_log": estimate.statistic,
            "p_value_log": estimate.p_value,
            "p_value_abs": absolute.p_value,
            "log_se": estimate.details.get("log_se"),
            "bounded": estimate.reason is None,
            "unbounded": estimate.reason == "unbounded",
            "g": _g(*pair, absolute.df, level_of(inputs)),
        }

    return run


def _g(treatment, control, df, level):
    if df is None or control.mean == 0:
        return None
    return float(special.stdtrit(df, (1 + level) / 2)) ** 2 * control.squared_error / control.mean**2


def fieller_student(inputs):
    """Fieller's own: pooled variance."""
    pair = [summary_of(inputs, arm) for arm in ("control", "treatment")]
    df = pair[0].n + pair[1].n - 2
    pooled = sum((s.n - 1) * s.variance for s in pair) / df
    levels = levels_of([Summary(s.n, s.mean, pooled) for s in pair])
    comparison = Comparison(levels, 1, 0, FixedTest(df))
    low, high = (float(bound) for bound in comparison.lift_interval(1 - level_of(inputs)))
    ratio = pair[1].mean / pair[0].mean
    answer = {"ratio": ratio, "ratio_ci_low": low + 1, "ratio_ci_high": high + 1, "lift": ratio - 1, "df": df}
    return {**answer, "ci_low": low, "ci_high": high, "p_value_ratio_equals_1": float(comparison.p_value())}


def geometric(inputs):
    pair = sample_of(inputs, "treatment"), sample_of(inputs, "control")
    estimate = geometric_lift(*pair, level=level_of(inputs), alternative=alternative_of(inputs))
    shifted = [None if bound is None else bound + 1 for bound in (estimate.value, estimate.low, estimate.high)]
    names = ("ratio", "ratio_ci_low", "ratio_ci_high")
    return {**answer_of(estimate), "lift": estimate.value, **dict(zip(names, shifted, strict=True))}


def summary_statistics(inputs):
    if "generator" in inputs:
        first, times, left, right = re.search(
            r"first value ([\d.]+).*?(\d+) repetitions of the pair ([\d.]+), ([\d.]+)", inputs["generator"]
        ).groups()
        values = [float(first), *([float(left), float(right)] * int(times))]
    else:
        values = pick(inputs, "values", "x", "data")
    s = Summary.of(values)
    return {
        "n": s.n,
        "mean": s.mean,
        "sd": math.sqrt(s.variance),
        "variance": s.variance,
        "var": s.variance,
        "se": math.sqrt(s.squared_error),
        "sum": float(np.sum(values)),
    }


def noninferiority(inputs):
    level = 1 - float(pick(inputs, "alpha_one_sided", "alpha", default=1 - level_of(inputs, 0.975)))
    goal = str(pick(inputs, "goal", "direction", default="maximize")).replace("ise", "ize")
    margin = pick(inputs, "margin", "margin_relative", "relative_margin")
    relative = bool(pick(inputs, "relative", default="margin_relative" in inputs or "relative_margin" in inputs))
    pair = summary_of(inputs, "treatment"), summary_of(inputs, "control")
    estimate = mean_noninferiority(*pair, abs(margin), relative=relative, goal=goal, level=level)
    side = 1 if goal == "maximize" else -1
    bound = None if estimate.low is None else side * (estimate.low - (0.0 if relative else abs(margin)))
    passed = estimate.is_significant
    return {
        **answer_of(estimate),
        "diff": pair[0].mean - pair[1].mean,
        "lower_bound": bound,
        "upper_bound": bound,
        "bound": bound,
        "passed": passed,
        "non_inferior": passed,
        "noninferior": passed,
    }


def edge_means(given, required):
    """Empty, single, constant, missing or infinite values: what a two-sample test makes of them."""
    if "raises_or_rejects" in required:
        try:
            return {"raises_or_rejects": answer_of(_compared(given))["status"] != "ok"}
        except ValueError:
            return {"raises_or_rejects": True}
    cleaned, dropped = _without_missing(given)
    answer = answer_of(_compared(cleaned))
    return {**answer, "warning": answer["warning"] or bool(dropped), "n_dropped": dropped, "p": answer["p_value"]}


def _compared(given):
    return mean_difference(*(summary_of(given, arm) for arm in ("treatment", "control")), level=level_of(given))


def _without_missing(given):
    """Missing values are the collector's to drop and to count; the functions here refuse them."""
    cleaned, dropped = dict(given), 0
    for arm in ("control", "treatment"):
        if isinstance(given.get(arm), list):
            kept = [x for x in given[arm] if x is not None and not (isinstance(x, float) and math.isnan(x))]
            dropped += len(given[arm]) - len(kept)
            cleaned[arm] = kept
    return cleaned, dropped


def edge_lift(given, required):
    if "control_successes" in given:
        new_x, new_n, old_x, old_n = counts_of(given)
        pair = [Summary(n, x / n, x / n * (1 - x / n) * n / (n - 1)) for x, n in ((new_x, new_n), (old_x, old_n))]
    else:
        pair = [summary_of(given, arm) for arm in ("treatment", "control")]
    estimate, absolute = mean_lift(*pair, level=level_of(given)), mean_difference(*pair, level=level_of(given))
    ci = None if estimate.low is None else [estimate.low, estimate.high]
    names = {"lift": estimate.value, "lift_ci": ci, "relative_ci": ci, "diff": absolute.value, "status": "ok"}
    clash = (
        absolute.p_value is not None
        and estimate.low is not None
        and absolute.is_significant != (estimate.low > 0 or estimate.high < 0)
    )
    return {
        **answer_of(absolute),
        **names,
        "warning": estimate.reason is not None,
        "unbounded": estimate.reason == "unbounded",
        "contradiction": clash,
        "verdicts_agree": not clash,
    }


def edge_rate_data(given, required):
    """A rate's values are 0 and 1, sums must fit, and infinite values are no measurements."""
    from abkit.stats import rate

    if "control" in given and "treatment" in given:
        return edge_means(given, required)
    if "sum" in given:
        return _rejected(lambda: Summary.from_sums(given["n"], given["sum"], pick(given, *_SQUARES)))
    if "values" not in given:
        return None
    if "rate" not in str(given.get("metric", "")):
        return _rejected(lambda: Summary.of(given["values"]))
    values = given["values"]
    try:
        if not set(values) <= {0, 1}:
            raise ValueError("a proportion has values 0 and 1 only")
        rate(sum(values), len(values))
    except ValueError:
        return {"raises_or_rejects": True}
    return {"raises_or_rejects": False}


def _rejected(call):
    try:
        call()
    except (ValueError, TypeError):
        return {"raises_or_rejects": True, "status": "not_inferable", "warning": True, "p_value": None}
    return {"raises_or_rejects": False, "status": "ok", "warning": False}


_SQUARES = ("sum_squares", "sum_of_squares", "sum_sq")
_WELCH = ("welch_t", "welch", "welch_t_summary", "welch_t_stats", "welch_from_stats", "welch_t_sufficient_statistics")
_STUDENT = ("student_t", "pooled_t", "t_test_pooled", "student", "two_sample_t")
_FIELLER = ("relative_lift_fieller_iterative", "relative_lift_fieller", "fieller", "fieller_iterative", "relative_lift")
_PLUG_IN = ("relative_lift_fieller_plugin_df", "fieller_plugin_df", "relative_lift_fieller_plugin")
_LOG = ("relative_lift_log_delta", "relative_lift_log", "log_ratio", "relative_lift_log_ratio")
_POOLED = (
    "relative_lift_fieller_pooled",
    "fieller_pooled",
    "relative_lift_fieller_equal_var",
    "relative_lift_fieller_student",
)
_NONINFERIORITY = (
    "noninferiority_mean",
    "noninferiority_means",
    "noninferiority",
    "non_inferiority",
    "noninferiority_t",
)

METHODS = {
    **dict.fromkeys(_WELCH, difference("welch")),
    **dict.fromkeys(_STUDENT, difference("student")),
    "t_test": welch_or_student,
    **dict.fromkeys(("z_test", "two_sample_z", "z_means"), difference("z")),
    **dict.fromkeys(("trimmed_t", "yuen_t", "yuen", "yuen_trimmed_t"), trimmed_t),
    **dict.fromkeys(_FIELLER, lift("fieller")),
    **dict.fromkeys(_PLUG_IN, lift("fieller plug-in")),
    **dict.fromkeys(("relative_lift_delta", "lift_delta", "relative_delta"), lift("delta")),
    **dict.fromkeys(_LOG, lift("log")),
    **dict.fromkeys(_POOLED, fieller_student),
    **dict.fromkeys(("geometric_mean_ratio", "log_scale_ratio", "lognormal_ratio"), geometric),
    **dict.fromkeys(("summary_statistics", "univariate_summary", "numeric_accuracy"), summary_statistics),
    **dict.fromkeys((*_NONINFERIORITY, "noninferiority_mean_relative", "noninferiority_relative"), noninferiority),
}
BEHAVIOURS = {
    **dict.fromkeys(("welch", "means", "mean", "t test"), edge_means),
    **dict.fromkeys(("relative lift", "lift", "fieller"), edge_lift),
    "data hygiene": edge_rate_data,
}
