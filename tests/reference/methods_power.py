"""Power, sizes and detectable effects."""

import math

import numpy as np
from scipy import special

from abkit.stats import (
    ConfidenceSequence,
    allocation_efficiency,
    always_valid_inflation,
    best_allocation,
    mde,
    miller_sample_size,
    paired_sd,
    power,
    power_each,
    quantile_sd,
    rank_sample_size,
    ratio_sd,
    sample_size,
    split_sample_size,
    trials_sd,
)
from abkit.stats.power_curve import discordant_power, rate_power
from tests.reference.readings import alternative_of, pick


def test_of(inputs):
    """Alpha and alternative; `alpha_one_sided` is one-sided by name."""
    if inputs.get("alpha_one_sided") is not None:
        return {"alpha": inputs["alpha_one_sided"], "alternative": "greater"}
    alternative = alternative_of(inputs)
    alternative = "greater" if alternative == "less" else alternative
    return {"alpha": pick(inputs, "alpha", "sig_level", default=0.05), "alternative": alternative}


def target_of(inputs):
    beta = inputs.get("beta")
    return 1 - beta if beta is not None else pick(inputs, "power", default=0.8)


def delta_of(inputs):
    names = ("delta", "effect", "mde_absolute", "absolute_effect", "abs_effect", "difference", "d", "effect_size")
    found = pick(inputs, *names, default=None)
    if found is None and inputs.get("p2", inputs.get("p_treatment")) is not None:
        found = pick(inputs, "p2", "p_treatment") - rate_of(inputs)
    lift = pick(inputs, "lift", "mde_relative", "relative_effect", "rel_effect", "relative_mde", default=None)
    if found is None and lift is not None:
        found = lift * pick(inputs, "baseline", "mean", "metric_mean", "p1", "baseline_rate", "p_control")
    return None if found is None else abs(found)


def rate_of(inputs):
    return pick(inputs, "p1", "baseline", "baseline_rate", "p_control", "rate")


def size_of(inputs):
    total, ratio = pick(inputs, "n_total", "total_n", default=None), ratio_of(inputs)
    if total is not None:
        return total / (1 + ratio)
    return pick(inputs, "n", "n_per_arm", "n_per_group", "n_control", "n1", "n_pairs", "pairs", default=None)


def ratio_of(inputs):
    return (
        pick(inputs, "ratio", "allocation_ratio", "r", default=1.0)
        if "n2" not in inputs
        else inputs["n2"] / inputs["n1"]
    )


def solved(inputs, **scenario):
    """Whatever of power, size and effect is missing, under every name it may be asked by."""
    options = {**test_of(inputs), **scenario}
    effect, size = delta_of(inputs), size_of(inputs)
    paired = scenario.get("paired") or "discordant" in scenario
    if size is not None and effect is not None and inputs.get("power") is None:
        return powers(float(power(size, effect, **options).power))
    if effect is None:
        return effects(inputs, mde(size, power=target_of(inputs), **options))
    found = sample_size(effect, power=target_of(inputs), **options)
    return sizes(found.n_exact, found.n_exact * (1 if paired else options.get("allocation", 1.0)), paired)


def powers(value):
    return {"power": value, "power_percent": 100 * value}


def effects(inputs, found):
    baseline = pick(inputs, "metric_mean", "mean", "baseline", "p1", "baseline_rate", default=None)
    lift = None if baseline is None else found.effect / baseline
    return {
        **dict.fromkeys(("mde", "effect", "abs_effect", "mde_absolute", "delta", "absolute_effect"), found.effect),
        **dict.fromkeys(("rel_effect", "mde_relative", "lift", "relative_effect"), lift),
        **dict.fromkeys(("d", "effect_size"), found.effect),
        "p2": None if baseline is None else baseline + found.effect,
    }


def sizes(control, treatment=None, paired=False):
    treatment = control if treatment is None else treatment
    total = control if paired else control + treatment
    whole = math.ceil(control - 1e-9)
    return {
        **dict.fromkeys(
            ("n_per_arm", "n", "n_per_group", "n_control", "n1", "n0", "n_pairs", "n_tasks", "n_users"), control
        ),
        **dict.fromkeys(("n_per_arm_ceiling", "n_ceiling", "n_pairs_ceiling", "n_control_ceiling"), whole),
        **dict.fromkeys(("n_treatment", "n2"), treatment),
        "n_treatment_ceiling": math.ceil(treatment - 1e-9),
        **dict.fromkeys(("n_total", "total_n", "n_obs"), total),
        "n_total_ceiling": whole if paired else whole + math.ceil(treatment - 1e-9),
    }


def means(inputs):
    sd = pick(inputs, "sd", "sigma", "std", default=1.0)
    kind = str(pick(inputs, "type", default="two.sample"))
    return solved(inputs, sd=sd, allocation=ratio_of(inputs), paired="paired" in kind or "one" in kind)


def normal_means(inputs):
    """The normal core with both variances."""
    test, ratio = test_of(inputs), ratio_of(inputs)
    tails = 2 if test["alternative"] == "two-sided" else 1
    sd = pick(inputs, "sd", "sigma", "sd_control", "sd0", "sd1", default=1.0)
    other = pick(inputs, "sd_treatment", "sd2", default=sd)
    reach = -special.ndtri(test["alpha"] / tails) + special.ndtri(target_of(inputs))
    n = float(reach**2 * (sd**2 + other**2 / ratio) / delta_of(inputs) ** 2)
    return sizes(n, n * ratio)


def two_rates(inputs):
    """The convention of power.prop.test: only the side of the true effect counts."""
    effect, size, test = delta_of(inputs), size_of(inputs), test_of(inputs)
    p1, ratio = rate_of(inputs), ratio_of(inputs)
    p2 = pick(inputs, "p2", "p_treatment", default=None)
    sign = -1 if p2 is not None and p2 < p1 else 1
    if sign < 0 and test["alternative"] == "greater":
        test["alternative"] = "less"
    if size is not None and effect is not None and inputs.get("power") is None:
        return powers(float(rate_power(p1, p1 + sign * effect, size, ratio * size, strict=False, **test)))
    if effect is None:
        return effects(inputs, mde(size, power=target_of(inputs), rate=p1, allocation=ratio, **test))
    found = sample_size(sign * effect, power=target_of(inputs), rate=p1, allocation=ratio, **test)
    return sizes(found.n_exact, ratio * found.n_exact)


def cohen_h(inputs):
    p1, p2 = rate_of(inputs), pick(inputs, "p2", "p_treatment", default=rate_of(inputs) + delta_of(inputs))
    h = 2 * math.asin(math.sqrt(p2)) - 2 * math.asin(math.sqrt(p1))
    tails = 2 if test_of(inputs)["alternative"] == "two-sided" else 1
    z, size, ratio = -float(special.ndtri(test_of(inputs)["alpha"] / tails)), size_of(inputs), ratio_of(inputs)
    if size is not None:
        shift = abs(h) * math.sqrt(size * ratio / (1 + ratio))
        return {"h": h, **powers(float(special.ndtr(shift - z) + (special.ndtr(-shift - z) if tails == 2 else 0.0)))}
    n = (1 + 1 / ratio) * (z + float(special.ndtri(target_of(inputs)))) ** 2 / h**2
    return {"h": h, **sizes(n, n * ratio)}


def miller(inputs):
    n = float(
        miller_sample_size(rate_of(inputs), delta_of(inputs), alpha=test_of(inputs)["alpha"], power=target_of(inputs))
    )
    return {**sizes(n), "n_per_arm": round(n)}


def k_variants(inputs):
    k = int(pick(inputs, "n_treatments", "k", "treatments"))
    correction = pick(inputs, "correction", default="bonferroni")
    ratio = pick(inputs, "ratio", "allocation_ratio", default=1.0)
    options = {"treatments": k, "correction": correction, "allocation": ratio, **test_of(inputs)}
    noise = {"rate": rate_of(inputs)} if "p1" in inputs else {"sd": pick(inputs, "sd", "sigma", default=1.0)}
    found = sample_size(delta_of(inputs), power=target_of(inputs), **noise, **options)
    answer = sizes(found.n_exact, found.n_exact * ratio)
    return {**answer, "n_total": found.n_exact * (1 + k * ratio), "n_total_ceiling": found.n_total}


def tea(inputs):
    """Totals of both arms from the moments of a historical sample."""
    variance = pick(inputs, "metric_var", "var", "variance")
    correlation = pick(inputs, "correlation", "covariate_correlation", "rho", default=None)
    if correlation is None and "covariate_var" in inputs:
        covariance = pick(inputs, "covariance", "metric_covariate_cov", "cov")
        correlation = covariance / math.sqrt(variance * inputs["covariate_var"])
    factor = math.sqrt(1 - (correlation or 0.0) ** 2)
    return solved(inputs, sd=math.sqrt(variance) * factor, allocation=ratio_of(inputs))


def clustered(inputs):
    rows, icc = (
        pick(inputs, "observations_per_user", "rows_per_unit", "cluster_size", "m", "rows_per_user"),
        pick(inputs, "icc"),
    )
    cv = pick(inputs, "cluster_size_cv", "cv", "rows_cv", default=0.0)
    design_effect = 1 + ((cv**2 + 1) * rows - 1) * icc
    if "p1" in inputs or "baseline" in inputs:
        independent = two_rates(inputs)["n_per_arm"]
    else:
        independent = means(inputs)["n_per_arm"]
    n = independent * design_effect
    users = math.ceil(n / rows - 1e-9)
    return {
        "n_iid_per_arm": independent,
        "design_effect": design_effect,
        "n_observations_per_arm": n,
        "n_rows_per_arm": n,
        "n_users_per_arm": users,
        "n_clusters_per_arm": users,
        "n_per_arm": users,
        "users_floor": independent * icc,
        "min_users": independent * icc,
    }


def cuped(inputs):
    rho = pick(inputs, "correlation", "rho", "covariate_correlation")
    sd = pick(inputs, "sd", "sigma", default=1.0) * math.sqrt(1 - rho**2)
    return {**solved(inputs, sd=sd, allocation=ratio_of(inputs)), "variance_factor": 1 - rho**2}


def paired(inputs):
    if "correlation" in inputs or "rho" in inputs:
        sd = float(paired_sd(pick(inputs, "sd", "sigma", default=1.0), pick(inputs, "correlation", "rho")))
    elif "trials" in inputs or "K" in inputs or "k_trials" in inputs:
        sd0 = pick(inputs, "sd_control", "sigma0", "sd_trial")
        within = (sd0, pick(inputs, "sd_treatment", "sigma1", default=sd0))
        sd = float(trials_sd(pick(inputs, "omega", "sd_effect"), *within, pick(inputs, "trials", "K", "k_trials")))
    else:
        sd = pick(inputs, "sd_difference", "sd_diff", "sd", "sd_d")
    if pick(inputs, "approximation", default="t") == "normal":
        return {**normal_pairs(inputs, sd), "sd_difference": sd}
    return {**solved(inputs, sd=sd, paired=True), "sd_difference": sd}


def normal_pairs(inputs, sd):
    test = test_of(inputs)
    tails = 2 if test["alternative"] == "two-sided" else 1
    reach = -special.ndtri(test["alpha"] / tails) + special.ndtri(target_of(inputs))
    return sizes(float(reach**2 * sd**2 / delta_of(inputs) ** 2), paired=True)


def mcnemar(inputs):
    if "psi" in inputs or "discordant_ratio" in inputs:
        ratio, share = pick(inputs, "psi", "discordant_ratio"), pick(inputs, "p_discordant", "discordant")
        effect = abs(share * (ratio - 1) / (ratio + 1))
    elif "p_discordant" in inputs or "discordant" in inputs:
        share, effect = pick(inputs, "p_discordant", "discordant"), delta_of(inputs)
    else:
        p01 = pick(inputs, "p01", "p_only_treatment", "only_treatment")
        p10 = pick(inputs, "p10", "p_only_control", "only_control")
        share, effect = p01 + p10, abs(p01 - p10)
    test = test_of(inputs)
    tails = 2 if test["alternative"] == "two-sided" else 1
    size = size_of(inputs)
    if size is not None and inputs.get("power") is None:
        return powers(float(discordant_power(effect, share, size, strict=False, **test)))
    z = -float(special.ndtri(test["alpha"] / tails))
    reach = z * math.sqrt(share) + float(special.ndtri(target_of(inputs))) * math.sqrt(share - effect**2)
    return sizes(reach**2 / effect**2, paired=True)


def noninferiority(inputs):
    margin = abs(pick(inputs, "margin", "delta0"))
    true = pick(inputs, "true_difference", "difference", default=0.0)
    alpha, target = pick(inputs, "alpha_one_sided", "alpha", default=0.025), target_of(inputs)
    ratio = pick(inputs, "ratio", "allocation_ratio", default=1.0)
    if "p1" in inputs or "baseline" in inputs or "p_control" in inputs:
        return rate_noninferiority(inputs, margin, alpha, target, ratio)
    sd = pick(inputs, "sd", "sigma")
    if pick(inputs, "approximation", default="normal") == "normal":
        reach = -float(special.ndtri(alpha)) + float(special.ndtri(target))
        n = reach**2 * sd**2 * (1 + 1 / ratio) / (margin + true) ** 2
    else:
        n = sample_size(true, power=target, sd=sd, margin=margin, alpha=alpha, allocation=ratio).n_exact
    answer = sizes(n, n * ratio)
    whole = isinstance(inputs.get("approximation"), str)
    return {**answer, "n_per_arm": math.ceil(n - 1e-9) if whole else n, "n_exact": n}


def rate_noninferiority(inputs, margin, alpha, target, ratio):
    p1 = rate_of(inputs)
    p2 = pick(inputs, "p2", "p_treatment", default=p1)
    goal = str(pick(inputs, "goal", default="maximize")).replace("ise", "ize")
    options = {"rate": p1, "margin": margin, "alpha": alpha, "goal": goal, "allocation": ratio}
    n = sample_size(p2 - p1, power=target, **options).n_exact
    reach = -float(special.ndtri(alpha)) + float(special.ndtri(target))
    distance = margin + (p2 - p1) * (1 if goal == "maximize" else -1)
    unpooled = reach**2 * (p1 * (1 - p1) + p2 * (1 - p2) / ratio) / distance**2
    if pick(inputs, "approximation", default="farrington-manning") == "normal":
        return {**sizes(unpooled, unpooled * ratio), "n_per_arm": math.ceil(unpooled - 1e-9)}
    return {**sizes(n, n * ratio), "n_per_arm_normal": unpooled}


def quantile(inputs):
    q = pick(inputs, "quantile", "q")
    if "pilot_se" in inputs:
        sd = inputs["pilot_se"] * math.sqrt(pick(inputs, "n_pilot", "pilot_n"))
    else:
        sd = float(quantile_sd(q, pick(inputs, "density", "f")))
    answer = normal_means({**inputs, "sd": sd}) if size_of(inputs) is None else solved(inputs, sd=sd)
    return {**answer, "sd": sd, "sd_per_unit": sd}


def ratio_metric(inputs):
    if "sd" in inputs:
        sd = inputs["sd"]
    else:
        parts = (inputs.get("var_numerator"), inputs.get("var_denominator"))
        sds = [math.sqrt(v) if v is not None else None for v in parts]
        y = pick(inputs, "sd_numerator", default=sds[0])
        x = pick(inputs, "sd_denominator", default=sds[1])
        level = pick(inputs, "ratio_level", "baseline_ratio", "R", default=None)
        mean_x = pick(inputs, "mean_denominator")
        level = pick(inputs, "mean_numerator") / mean_x if level is None else level
        rho = pick(inputs, "correlation", default=None)
        rho = inputs["covariance"] / (y * x) if rho is None else rho
        sd = float(ratio_sd(y, x, rho, level, mean_x))
        inputs = {**inputs, "mean": level}
    return {**solved(inputs, sd=sd), "sd": sd, "sd_per_unit": sd, "variance_per_user": sd**2}


def noether(inputs):
    test = test_of(inputs)
    chance = pick(inputs, "prob_superiority", "p_superiority", "P", "p", "superiority")
    sides = 2 if test["alternative"] == "two-sided" else 1
    n = float(rank_sample_size(chance, alpha=test["alpha"], power=target_of(inputs), sides=sides))
    return sizes(n)


def split(inputs):
    planned = pick(inputs, "expected_weights", "weights", "planned", default=[0.5, 0.5])
    actual = pick(inputs, "true_weights", "actual", "actual_weights", "true_shares", default=None)
    if actual is None:
        share = pick(inputs, "p", "true_share")
        actual = [share, 1 - share]
    alpha = pick(inputs, "alpha", default=0.001)
    n = split_sample_size(planned, actual, alpha=alpha, power=pick(inputs, "power", default=0.9))
    p0, p1 = np.asarray(planned) / np.sum(planned), np.asarray(actual) / np.sum(actual)
    w = float(np.sqrt(((p1 - p0) ** 2 / p0).sum()))
    return {"n_total": n, "n": n, "n_total_ceiling": math.ceil(n - 1e-9), "w": w, "effect_size_w": w}


def always_valid_width(inputs):
    """Width of the confidence sequence over that of the fixed interval at a multiple of the size it is tuned for."""
    alpha = pick(inputs, "alpha", default=0.05)
    times = np.asarray(pick(inputs, "t", "n", "t_over_t_opt", "fraction"), dtype=np.float64)
    x = ConfidenceSequence(pick(inputs, "t_opt", "planned_n", default=1.0), alpha).mixture_variance * times
    ratio = np.sqrt(2 * (x + 1) / x * (np.log1p(x) / 2 - math.log(alpha))) / -special.ndtri(alpha / 2)
    return {**dict.fromkeys(("width_ratio", "ratio"), ratio), "sample_size_ratio": ratio**2, "n_ratio": ratio**2}


def always_valid(inputs):
    alpha = pick(inputs, "alpha", default=0.05)
    width = always_valid_inflation(alpha)
    same_power = always_valid_inflation(alpha, power=target_of(inputs))
    names = ("sample_size_inflation", "inflation", "inflation_factor", "n_ratio")
    return {**dict.fromkeys(names, width), "width_ratio": math.sqrt(width), "inflation_same_power": same_power}


def guardrails(inputs):
    count = int(pick(inputs, "guardrails", "n_guardrails", "G"))
    each = float(power_each(target_of(inputs), count))
    joint = target_of(inputs) ** count
    together = dict.fromkeys(("joint_power", "all_pass", "power_all_pass"), joint)
    split = {"beta_each": 1 - each, "beta_per_metric": 1 - each}
    return {**together, **split, "power_each": each, "power_per_metric": each}


def allocation(inputs):
    k = int(pick(inputs, "n_treatments", "k", default=1))
    best, r = best_allocation(k), pick(inputs, "ratio", "r", default=1.0)
    return {
        "efficiency": float(allocation_efficiency(r)),
        "relative_efficiency": float(allocation_efficiency(r)),
        "optimal_ratio": 1 / best,
        "control_to_treatment": 1 / best,
        "optimal_allocation": 1 / best,
    }


def edge(given, required):
    options = {key: given[key] for key in ("alpha", "power") if key in given}
    baseline = pick(given, "p1", "baseline", default=None)
    effect = delta_of(given)
    effect = pick(given, "effect_per_sd", "effect_sd", "effect_size_sd", default=0.1) if effect is None else effect
    noise = {"rate": baseline} if baseline is not None else {"sd": pick(given, "sd", default=1.0)}
    try:
        found = sample_size(effect, **options, **noise)
    except ValueError:
        return {"raises_or_rejects": True}
    answer = {
        "raises_or_rejects": False,
        "n_per_arm": found.n_control,
        "warning": bool(found.note),
        "n": found.n_control,
    }
    return {**answer, "n_min": found.n_control, "message": found.note}


_T = (
    "power_t_test",
    "sample_size_t_test",
    "sample_size_means",
    "power_means",
    "mde_t_test",
    "mde_means",
    "sample_size_mean",
)
_P = (
    "power_two_proportions",
    "sample_size_two_proportions",
    "sample_size_two_proportions_unequal",
    "power_two_proportions_unequal",
    "mde_two_proportions",
    "power_prop_test",
)
_K = ("sample_size_k_variants", "sample_size_dunnett", "sample_size_bonferroni", "power_k_variants")
_NORMAL = ("sample_size_unequal_variance", "sample_size_normal", "sample_size_mean_normal", "sample_size_z")
_PAIRED = ("sample_size_paired", "power_paired_t", "sample_size_tasks_trials", "power_paired", "sample_size_paired_t")
_NONINFERIORITY = (
    "sample_size_noninferiority",
    "sample_size_noninferiority_mean",
    "sample_size_noninferiority_proportions",
    "sample_size_noninferiority_two_proportions",
    "sample_size_farrington_manning",
)

_UNEQUAL = ("sample_size_means_unequal", "power_t_test_unequal", "sample_size_unequal_allocation", "power_unequal_n")

METHODS = {
    **dict.fromkeys((*_T, *_UNEQUAL, "sample_size_mean", "mde", "mde_mean", "sample_size_t"), means),
    **dict.fromkeys((*_NORMAL, "sample_size_welch"), normal_means),
    **dict.fromkeys(_P, two_rates),
    **dict.fromkeys(("power_cohen_h", "sample_size_cohen_h", "power_two_proportions_arcsine"), cohen_h),
    **dict.fromkeys(("sample_size_evan_miller", "evan_miller"), miller),
    **dict.fromkeys(_K, k_variants),
    **dict.fromkeys(("power_mean_sufficient_statistics", "mde_sufficient_statistics", "tea_power"), tea),
    **dict.fromkeys(("sample_size_clustered", "power_clustered", "sample_size_cluster"), clustered),
    **dict.fromkeys(("sample_size_cuped", "power_cuped"), cuped),
    **dict.fromkeys(_PAIRED, paired),
    **dict.fromkeys(("sample_size_mcnemar", "power_mcnemar"), mcnemar),
    **dict.fromkeys(_NONINFERIORITY, noninferiority),
    **dict.fromkeys(("sample_size_quantile", "sample_size_quantiles", "power_quantile"), quantile),
    **dict.fromkeys(("sample_size_ratio_metric", "sample_size_ratio", "power_ratio_metric"), ratio_metric),
    **dict.fromkeys(("sample_size_mann_whitney", "sample_size_noether", "noether"), noether),
    **dict.fromkeys(("sample_size_srm", "srm_power", "srm_sample_size", "power_srm"), split),
    **dict.fromkeys(("always_valid_inflation", "acs_inflation", "sample_size_always_valid"), always_valid),
    **dict.fromkeys(("asymptotic_cs_width_ratio", "acs_width_ratio", "always_valid_width_ratio"), always_valid_width),
    **dict.fromkeys(("guardrail_power", "power_guardrails", "power_several_metrics"), guardrails),
    **dict.fromkeys(("allocation_efficiency", "optimal_allocation", "allocation"), allocation),
}
BEHAVIOURS = dict.fromkeys(("power", "sample size", "planning"), edge)
