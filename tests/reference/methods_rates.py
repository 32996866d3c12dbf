"""One and two rates."""

import math

from scipy import special

from abkit.stats import exact_p_value, rate, rate_difference, rate_noninferiority, rate_ratio
from abkit.stats.rate_methods import DIFFERENCES, RATE_INTERVALS, RATIOS
from abkit.stats.score import difference_interval, difference_score
from tests.reference.methods_means import answer_of
from tests.reference.readings import alternative_of, counts_of, level_of, pick


def bounds(estimate):
    return [estimate.low, estimate.high]


def one_proportion(inputs):
    successes, n = pick(inputs, "successes", "x"), pick(inputs, "n", "trials")
    options = {"level": level_of(inputs), "alternative": alternative_of(inputs)}
    found = {method: bounds(rate(successes, n, method=method, **options)) for method in RATE_INTERVALS}
    answer = {method.replace("-", "_"): interval for method, interval in found.items()}
    value, (low, high) = successes / n, found["wilson"]
    return {
        **answer,
        "ci_low": low,
        "ci_high": high,
        "rate": value,
        "estimate": value,
        "exact": answer["clopper_pearson"],
    }


def two_proportions(inputs):
    counts, alternative = counts_of(inputs), alternative_of(inputs)
    options = {"level": level_of(inputs), "alternative": alternative}
    answers = {
        method: rate_difference(*counts, method=method, **options)
        for method in DIFFERENCES
        if method not in ("boschloo", "fisher")
    }
    named = {method.replace("-", "_").replace(" ", "_"): bounds(answer) for method, answer in answers.items()}
    pooled, corrected, unpooled = (answers[name] for name in ("pooled z", "miettinen-nurminen", "wald"))
    z = pooled.statistic
    return {
        **named,
        "diff": pooled.value,
        "difference": pooled.value,
        "mn": named["miettinen_nurminen"],
        "score_ci": named["miettinen_nurminen"],
        "mee": named["pooled_z"],
        "newcombe_p_value": answers["newcombe"].p_value,
        "pooled_z": z,
        "pooled_z_squared": None if z is None else z**2,
        "pooled_z_p_value": pooled.p_value,
        "chi2": None if z is None else z**2,
        "miettinen_nurminen_z": corrected.statistic,
        "miettinen_nurminen_p_value": corrected.p_value,
        "score_p_value": corrected.p_value,
        "unpooled_z": unpooled.statistic,
        "unpooled_z_p_value": unpooled.p_value,
        "p_value": pooled.p_value,
        **_exact(counts, alternative),
    }


def _exact(counts, alternative):
    if any(count != int(count) for count in counts):
        return {}
    whole = tuple(int(count) for count in counts)
    methods = ("fisher", "boschloo", "barnard") if max(whole[1], whole[3]) <= 1000 else ("fisher",)
    found = {f"{m}_p_value": exact_p_value(*whole, method=m, alternative=alternative) for m in methods}
    if "barnard_p_value" in found:
        found["barnard_pooled_p_value"] = found["barnard_p_value"]
    return found


def two_proportion_exact(inputs):
    found = _exact(counts_of(inputs), alternative_of(inputs))
    return {**found, "p_value": found.get("boschloo_p_value")}


def one_exact(method):
    def run(inputs):
        found = _exact(counts_of(inputs), alternative_of(inputs))
        return {**found, "p_value": found[f"{method}_p_value"]}

    return run


def ratio(inputs):
    counts = counts_of(inputs)
    options = {"level": level_of(inputs), "alternative": alternative_of(inputs)}
    answers = {method: rate_ratio(*counts, method=method, **options) for method in RATIOS}
    koopman = answers["koopman"]
    value = koopman.value
    return {
        **{f"{method.replace('-', '_')}": bounds(answer) for method, answer in answers.items()},
        "koopman_score": bounds(koopman),
        "miettinen_nurminen_score": bounds(answers["miettinen-nurminen"]),
        "score": bounds(koopman),
        "katz_log": bounds(answers["katz"]),
        "ratio": value,
        "lift": None if value is None else value - 1,
        "ci_low": koopman.low,
        "ci_high": koopman.high,
        "lift_ci": [None if bound is None else bound - 1 for bound in bounds(koopman)],
        "p_value": koopman.p_value,
    }


def noninferiority(inputs):
    counts = counts_of(inputs)
    level = 1 - float(pick(inputs, "alpha_one_sided", "alpha", default=1 - level_of(inputs, 0.975)))
    goal = str(pick(inputs, "goal", "direction", default="maximize")).replace("ise", "ize")
    margin = abs(pick(inputs, "margin", "delta0", "delta"))
    estimate = rate_noninferiority(*counts, margin, goal=goal, level=level)
    gap = -margin if goal == "maximize" else margin
    corrected = float(difference_score(*counts, gap))
    two_sided = -float(special.ndtri(1 - level))
    return {
        **answer_of(estimate),
        "farrington_manning_z": estimate.statistic,
        "fm_z": estimate.statistic,
        "score_z": estimate.statistic,
        "miettinen_nurminen_z": corrected,
        "passed": estimate.is_significant,
        "non_inferior": estimate.is_significant,
        "noninferior": estimate.is_significant,
        "lower_bound": estimate.low,
        "upper_bound": estimate.high,
        "score_ci": [float(bound) for bound in difference_interval(*counts, two_sided)],
    }


def edge_rates(given, required):
    try:
        if "successes" in given:
            answer = rate(given["successes"], given["n"], level=level_of(given))
            return {**answer_of(answer), "lower": answer.low, "upper": answer.high, "raises_or_rejects": False}
        counts = counts_of(given)
        answer = rate_difference(*counts, level=level_of(given))
    except ValueError:
        return {"raises_or_rejects": True, "status": "not_inferable", "p_value": None, "ci": None, "warning": True}
    score = rate_difference(*counts, method="miettinen-nurminen", level=level_of(given))
    finite = [all(math.isfinite(bound) for bound in bounds(found)) for found in (answer, score)]
    return {
        **answer_of(answer),
        "newcombe": bounds(answer),
        "miettinen_nurminen": bounds(score),
        "finite": all(finite),
        "p_value": answer.p_value,
        "raises_or_rejects": False,
        "z": score.statistic,
    }


_ONE = ("one_proportion_ci", "one_proportion", "proportion_ci", "single_proportion_ci")
_TWO = ("two_proportion_diff", "two_proportions", "two_proportion_difference", "proportion_diff_ci", "two_proportion_z")
_RATIO = (
    "two_proportion_ratio_ci",
    "two_proportion_ratio",
    "relative_risk",
    "risk_ratio",
    "rate_ratio",
    "relative_risk_ci",
)
_NONINFERIORITY = (
    "noninferiority_proportions",
    "noninferiority_two_proportions",
    "noninferiority_rates",
    "noninferiority_proportion",
    "farrington_manning",
    "farrington_manning_test",
    "two_proportion_noninferiority",
)

METHODS = {
    **dict.fromkeys(_ONE, one_proportion),
    **dict.fromkeys(_TWO, two_proportions),
    **dict.fromkeys(("two_proportion_exact", "two_proportions_exact"), two_proportion_exact),
    **dict.fromkeys(("fisher_exact", "fisher"), one_exact("fisher")),
    **dict.fromkeys(("boschloo_exact", "boschloo"), one_exact("boschloo")),
    **dict.fromkeys(("barnard_exact", "barnard"), one_exact("barnard")),
    **dict.fromkeys(_RATIO, ratio),
    **dict.fromkeys(_NONINFERIORITY, noninferiority),
}
BEHAVIOURS = dict.fromkeys(("proportions", "rates", "rate", "two proportions", "proportion"), edge_rates)
