"""Splits, families of comparisons, and honest readings of one."""

import math

import numpy as np
from scipy import special

from abkit.stats import (
    Summary,
    adjusted_p_value,
    all_pairs,
    benjamini_hochberg,
    benjamini_yekutieli,
    best_set,
    bonferroni,
    conditional_estimate,
    dunnett,
    dunnett_critical_value,
    effect_trend,
    exaggeration,
    hochberg,
    holm,
    loadings,
    sequential_srm,
    shrink,
    sidak,
    srm,
    srm_by_segment,
)
from abkit.stats.dunnett import dunnett_probability
from tests.reference.methods_means import answer_of
from tests.reference.readings import alternative_of, level_of, pick


def shares_of(inputs):
    return pick(inputs, "expected_weights", "weights", "shares", "expected_shares", "expected", "ratios")


def srm_fixed(inputs):
    counts = pick(inputs, "counts", "observed")
    test = srm(counts, shares_of(inputs))
    alpha = pick(inputs, "alpha", default=0.001)
    return {
        "chi2": test.statistic,
        "statistic": test.statistic,
        "df": test.df,
        "p_value": test.p_value,
        "expected_counts": list(test.expected),
        "alarm": test.p_value < alpha,
        "mismatch": test.p_value < alpha,
    }


def srm_exact(inputs):
    test = srm(pick(inputs, "counts", "observed"), shares_of(inputs), method="exact")
    return {"p_value": test.p_value, "p_value_exact": test.p_value}


def srm_sequential(inputs):
    counts = np.cumsum(pick(inputs, "counts", "observed", "daily_counts"), axis=0)
    if "cumulative_counts" in inputs:
        counts = inputs["cumulative_counts"]
    prior = pick(inputs, "dirichlet_alpha", "prior", default=None)
    total = float(sum(prior)) if prior is not None else pick(inputs, "concentration", "dirichlet_concentration")
    weights = shares_of(inputs) if prior is None else prior
    e_values, p_values = sequential_srm(counts, weights, concentration=total)
    return {
        "bayes_factors": e_values,
        "e_values": e_values,
        "sequential_p_values": p_values,
        "p_values": p_values,
        "final_p_value": p_values[-1],
        "log_bayes_factors": np.log(e_values),
    }


def srm_segments(inputs):
    p_values, alarms = srm_by_segment(pick(inputs, "counts", "observed"), shares_of(inputs))
    return {"adjusted_p_values": p_values, "alarms": alarms}


def p_adjust(inputs):
    p = np.array([math.nan if x is None else x for x in pick(inputs, "p_values", "p")], dtype=np.float64)
    found = {
        "bonferroni": bonferroni(p),
        "holm": holm(p),
        "hochberg": hochberg(p),
        "bh": benjamini_hochberg(p),
        "by": benjamini_yekutieli(p),
        "sidak": sidak(p),
    }
    return {**found, "BH": found["bh"], "BY": found["by"], "fdr": found["bh"], "benjamini_hochberg": found["bh"]}


def _loading(inputs):
    sizes = pick(inputs, "n_treatments_sizes", "treatment_sizes", "n_per_treatment", "treatment_n", default=None)
    if isinstance(sizes, list):
        return loadings(sizes, pick(inputs, "control_n", "n_control", "control_size"))
    k = int(pick(inputs, "n_treatments", "k", "treatments"))
    allocation = pick(inputs, "allocation", "ratio", default="equal")
    if allocation == "equal":
        return np.full(k, math.sqrt(0.5))
    if isinstance(allocation, list):
        return loadings(allocation[1:], allocation[0])
    if isinstance(allocation, str):
        return np.full(k, math.sqrt(1 / (1 + math.sqrt(k))))
    return np.full(k, math.sqrt(allocation / (1 + allocation)))


def _df(inputs):
    df = inputs.get("df")
    return math.inf if df is None else float(df)


def dunnett_bound(inputs):
    alternative = "two-sided" if alternative_of(inputs) == "two-sided" else "greater"
    alpha = pick(inputs, "alpha", default=0.05)
    critical = dunnett_critical_value(_loading(inputs), df=_df(inputs), alpha=alpha, alternative=alternative)
    return {"critical_value": critical, "c": critical, "d": critical}


def dunnett_test(inputs):
    treatments = inputs["treatments"]
    found = dunnett(treatments, inputs["control"], level=level_of(inputs), alternative=alternative_of(inputs))
    return {
        "differences": [answer.value for answer in found],
        "t_statistics": [answer.statistic for answer in found],
        "statistics": [answer.statistic for answer in found],
        "adjusted_p_values": [answer.p_value for answer in found],
        "p_values": [answer.p_value for answer in found],
        "ci_low": [answer.low for answer in found],
        "ci_high": [answer.high for answer in found],
        "df": found[0].df,
        "critical_value": found[0].details.get("critical_value"),
    }


def dunnett_p(inputs):
    statistics = np.atleast_1d(pick(inputs, "t_statistics", "statistics", "statistic", "t"))
    load, alternative = _loading(inputs), alternative_of(inputs)
    found = [adjusted_p_value(float(t), load, _df(inputs), alternative) for t in statistics]
    return {"adjusted_p_values": found, "p_values": found, "adjusted_p_value": found[0], "p_value": found[0]}


def uncorrected_error(inputs):
    """Chance of any false call among k variants sharing a control, each tested at alpha."""
    alpha, k = pick(inputs, "alpha", default=0.05), int(pick(inputs, "n_treatments", "k", "treatments"))
    z = -float(special.ndtri(alpha / 2))
    load = np.full(k, math.sqrt(0.5))
    any_side, good_side = 1 - dunnett_probability(z, load), 1 - dunnett_probability(z, load, alternative="greater")
    return {"familywise_error": any_side, "any_false_positive": any_side, "fwer": any_side, "good_side": good_side}


def best_of_equals(inputs):
    """Mean z of the best of k variants that do not differ, all compared with one control of the same size."""
    k = int(pick(inputs, "k", "n_treatments", "treatments"))
    grid = np.linspace(-10, 10, 20001)
    density = k * special.ndtr(grid) ** (k - 1) * np.exp(-(grid**2) / 2) / math.sqrt(2 * math.pi)
    largest = float((grid * density).sum() * (grid[1] - grid[0])) * math.sqrt(0.5)
    return dict.fromkeys(("expected_max_z", "mean_z", "expected_z", "bias_z"), largest)


def pairs(method):
    def run(inputs):
        groups = pick(inputs, "groups", "samples", "treatments")
        named = groups if isinstance(groups, dict) else {str(i): g for i, g in enumerate(groups)}
        if "control" in inputs:
            named = {"control": inputs["control"], **named}
        samples = [Summary(g["n"], g["mean"], g["sd"] ** 2) if isinstance(g, dict) else g for g in named.values()]
        found = list(all_pairs(samples, level=level_of(inputs), method=method).values())
        return {
            "differences": [answer.value for answer in found],
            "adjusted_p_values": [answer.p_value for answer in found],
            "p_values": [answer.p_value for answer in found],
            "ci_low": [answer.low for answer in found],
            "ci_high": [answer.high for answer in found],
            "df": [answer.df for answer in found],
        }

    return run


def with_best(inputs):
    groups = pick(inputs, "groups", "samples")
    named = groups if isinstance(groups, dict) else {str(i): g for i, g in enumerate(groups)}
    samples = [Summary.of(group) for group in named.values()]
    df = sum(s.n - 1 for s in samples)
    pooled = sum((s.n - 1) * s.variance for s in samples) / df
    ses = [math.sqrt(pooled / s.n) for s in samples]
    found = best_set([s.mean for s in samples], ses, df=df, level=level_of(inputs))
    names = [name for name, tied in zip(named, found.may_be_best, strict=True) if tied]
    return {"ci_low": found.low, "ci_high": found.high, "may_be_best": found.may_be_best, "tied_set": names}


def design_analysis(inputs):
    true, se = pick(inputs, "true_effect", "effect", "A"), pick(inputs, "standard_error", "se", "s")
    found = exaggeration(true, se, alpha=pick(inputs, "alpha", default=0.05))
    return {
        "power": found.power,
        "type_s": found.sign_error,
        "type_m": found.exaggeration,
        "exaggeration_ratio": found.exaggeration,
        "exaggeration": found.exaggeration,
    }


def shrinkage(inputs):
    value, se = pick(inputs, "estimate", "value", "effect", "diff"), pick(inputs, "standard_error", "se")
    variance = pick(inputs, "prior_variance", "tau2", default=None)
    prior = math.sqrt(variance) if variance is not None else pick(inputs, "prior_sd", "tau")
    mean = pick(inputs, "prior_mean", default=0.0)
    found = shrink(value, se, prior_sd=prior, prior_mean=mean, level=level_of(inputs))
    names = {"posterior_mean": found.value, "shrunken": found.value, "posterior_sd": found.se}
    weight = found.details["weight"]
    return {**answer_of(found), **names, "shrinkage_factor": weight, "weight": weight}


def conditional(inputs):
    value, se = pick(inputs, "estimate", "value", "effect", "z"), pick(inputs, "standard_error", "se", default=1.0)
    found = conditional_estimate(value, se, alpha=pick(inputs, "alpha", default=0.05), level=level_of(inputs))
    middle = found.details["median_unbiased"]
    return {**answer_of(found), "mle": found.value, "conditional_mle": found.value, "median_unbiased": middle}


def trend(inputs):
    effects = pick(inputs, "effects", "values", "daily_effects")
    times = pick(inputs, "times", "days", "day", default=list(range(len(effects))))
    slope, spread = effect_trend(times, effects, pick(inputs, "standard_errors", "ses", "se"))
    return {
        "slope": slope.value,
        "slope_se": slope.se,
        "slope_z": slope.statistic,
        "slope_p_value": slope.p_value,
        "p_value": slope.p_value,
        "cochran_q": spread.statistic,
        "q": spread.statistic,
        "q_df": spread.df,
        "q_p_value": spread.p_value,
    }


def edge_srm(given, required):
    try:
        return {**srm_fixed(given), "raises_or_rejects": False, "status": "ok"}
    except ValueError:
        return {"raises_or_rejects": True, "status": "not_inferable", "p_value": None, "warning": True}


def edge_family(given, required):
    p = [math.nan if x is None else x for x in pick(given, "p_values", "raw_p")]
    undefined = sum(math.isnan(x) for x in p)
    return {**p_adjust({"p_values": p}), "family_size": len(p) - undefined, "warning": undefined > 0}


METHODS = {
    **dict.fromkeys(("srm_chi2", "srm", "srm_fixed", "srm_chisquare"), srm_fixed),
    **dict.fromkeys(("srm_exact", "srm_binomial", "srm_binomial_exact", "srm_exact_binomial"), srm_exact),
    **dict.fromkeys(("srm_sequential", "ssrm", "srm_dirichlet_multinomial", "srm_anytime"), srm_sequential),
    **dict.fromkeys(("srm_by_segment", "srm_segments"), srm_segments),
    **dict.fromkeys(("p_adjust", "p_value_adjustment", "multiple_testing"), p_adjust),
    **dict.fromkeys(("dunnett_critical_value", "dunnett_critical"), dunnett_bound),
    **dict.fromkeys(("dunnett_test", "dunnett"), dunnett_test),
    **dict.fromkeys(("dunnett_p_value", "dunnett_adjusted_p", "dunnett_p_values"), dunnett_p),
    **dict.fromkeys(
        ("familywise_error", "naive_multiple_variants_fpr", "uncorrected_familywise_error"), uncorrected_error
    ),
    **dict.fromkeys(("best_of_k_bias", "winner_bias_best_of_k", "expected_max_of_k"), best_of_equals),
    **dict.fromkeys(("games_howell", "games_howell_test"), pairs("games-howell")),
    **dict.fromkeys(("tukey_hsd", "tukey", "tukey_kramer"), pairs("tukey-kramer")),
    **dict.fromkeys(("multiple_comparisons_with_best", "hsu_mcb", "best_set"), with_best),
    **dict.fromkeys(("type_s_type_m", "type_m", "type_s_m", "retrodesign", "design_analysis"), design_analysis),
    **dict.fromkeys(("shrinkage", "normal_shrinkage", "empirical_bayes_shrinkage"), shrinkage),
    **dict.fromkeys(("conditional_mle", "truncated_normal_mle", "winners_curse", "winners_curse_mle"), conditional),
    **dict.fromkeys(("novelty_trend", "trend_test", "novelty", "cochran_q"), trend),
}
BEHAVIOURS = {
    **dict.fromkeys(("srm", "SRM", "sample ratio mismatch"), edge_srm),
    **dict.fromkeys(("multiplicity", "multiple testing", "p_adjust", "correction"), edge_family),
}
