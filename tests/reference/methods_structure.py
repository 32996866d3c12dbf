"""Methods for clusters, pairs, quantiles, covariates, ranks and beliefs by the name that a reference case gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from abkit.stats.bayes import FLAT_PRIOR, BetaPrior, NormalPrior, normal_normal
from abkit.stats.beta_binomial import best_rate, beta_binomial
from abkit.stats.cluster import clustered_difference, clustered_mean, design_effect, intraclass_correlation
from abkit.stats.covariates import cuped_difference, regression_difference
from abkit.stats.discordant import PairedRates
from abkit.stats.estimate import Estimate
from abkit.stats.least_squares import clustered_regression
from abkit.stats.median import median_difference, median_ratio, median_se
from abkit.stats.nested import variance_components
from abkit.stats.paired import (
    paired_clustered_difference,
    paired_difference,
    paired_grouped_difference,
    sign_flip_test,
    signed_rank_test,
    task_differences,
)
from abkit.stats.pass_rate import pass_at_k, pass_hat_k, pass_rate, pass_rate_difference
from abkit.stats.quantile_bootstrap import (
    binomial_bootstrap,
    binomial_bootstrap_difference,
    cluster_quantile_bootstrap,
)
from abkit.stats.quantile_interval import (
    order_statistic_ranks,
    quantile_contrast,
    quantile_difference,
    quantile_interval,
    quantile_se,
    rows_for_interval,
    sample_quantile,
)
from abkit.stats.rank import brunner_munzel, brunner_munzel_permutation, mann_whitney
from abkit.stats.ratio import ratio_difference, ratio_linearised
from abkit.stats.resample import bootstrap_difference, cluster_bootstrap, permutation_test, poisson_bootstrap
from abkit.stats.stratify import post_stratified_difference
from tests.reference.arguments import alpha_of, number, pick, sample, summary

Case = dict[str, Any]


def plain(answer: Estimate, prefix: str = "") -> Case:
    """An estimate under every name that a case may use."""
    names = {
        "diff": answer.value,
        "difference": answer.value,
        "estimate": answer.value,
        "standard_error": answer.se,
        "se": answer.se,
        "statistic": answer.statistic,
        "t_statistic": answer.statistic,
        "df": answer.df,
        "p_value": answer.p_value,
        "ci_low": answer.low,
        "ci_high": answer.high,
        "ci_lower": answer.low,
        "ci_upper": answer.high,
        "ci": [answer.low, answer.high],
    }
    return {f"{prefix}{name}": value for name, value in names.items()} | dict(answer.details)


def rng_of(inputs: Case) -> np.random.Generator:
    return np.random.default_rng(int(pick(inputs, "seed", default=0)))


def ratio_metric(inputs: Case) -> Case:
    sums = []
    for arm in ("control", "treatment"):
        if f"{arm}_numerator" in inputs:
            sums += [inputs[f"{arm}_numerator"], inputs[f"{arm}_denominator"]]
        else:
            rows = np.asarray(inputs[arm], dtype=float)
            sums += [rows[:, 0], rows[:, 1]]
    level = 1 - alpha_of(inputs)
    t, z = (ratio_difference(*sums, level=level, quantile=quantile) for quantile in ("t", "z"))
    if t.value is None or t.se is None:
        return plain(t) | {"status": "not_inferable"}
    d = t.details
    variances = [float(ratio_linearised(sums[i], sums[i + 1]).var(ddof=1)) for i in (0, 2)]
    lift_se = np.hypot(d["treatment_se"] / d["control"], d["treatment"] * d["control_se"] / d["control"] ** 2)
    half = float(special.ndtri((1 + level) / 2)) * lift_se
    return plain(t) | {
        "control_ratio": d["control"],
        "treatment_ratio": d["treatment"],
        "z_p_value": z.p_value,
        "z_ci_low": z.low,
        "z_ci_high": z.high,
        "welch_df": t.df,
        "t_p_value": t.p_value,
        "t_ci_low": t.low,
        "t_ci_high": t.high,
        "lift_delta_se": float(lift_se),
        "lift_z_ci_low": d["lift"] - half,
        "lift_z_ci_high": d["lift"] + half,
        "lift_fieller_ci_low": d["lift_low"],
        "lift_fieller_ci_high": d["lift_high"],
        "control_variance": variances[0],
        "treatment_variance": variances[1],
    }


def clustered_diff(inputs: Case) -> Case:
    arms = [
        inputs["control"],
        pick(inputs, "control_cluster", "control_clusters"),
        inputs["treatment"],
        pick(inputs, "treatment_cluster", "treatment_clusters"),
    ]
    level = 1 - alpha_of(inputs)
    out: Case = {}
    shared = bool(set(map(str, arms[1])) & set(map(str, arms[3]))) and pick(inputs, "crossed", default=True)
    if shared:
        y = np.concatenate([arms[0], arms[2]])
        design = np.column_stack([np.ones(len(y)), np.repeat([0.0, 1.0], [len(arms[0]), len(arms[2])])])
        cluster = np.array([*map(str, arms[1]), *map(str, arms[3])])
        for name in ("CR0", "CR1", "CR2"):
            fit = clustered_regression(y, design, cluster, name)
            value, se, df = float(fit.coefficients[1]), float(fit.se[1]), float(fit.df[1])
            tail = special.ndtr(-abs(value / se)) if np.isinf(df) else special.stdtr(df, -abs(value / se))
            out |= {"diff": value, f"se_cluster_{name.lower()}": se, f"df_{name.lower()}": number(df)}
            out[f"p_value_{name.lower()}"] = float(2 * tail)
        return out
    for name in ("CR0", "CR1", "CR2"):
        answer, tag = clustered_difference(*arms, level=level, correction=name), name.lower()
        out |= plain(answer) | {
            f"se_cluster_{tag}": answer.se,
            f"se_{tag}": answer.se,
            f"df_{tag}": answer.df,
            f"p_value_{tag}": answer.p_value,
            f"ci_low_{tag}": answer.low,
            f"ci_high_{tag}": answer.high,
            f"statistic_{tag}": answer.statistic,
        }
    sums = []
    for values, cluster in ((arms[0], arms[1]), (arms[2], arms[3])):
        labels = np.unique(np.asarray(cluster), return_inverse=True)[1]
        sums += [np.bincount(labels, values), np.bincount(labels)]
    ratio = ratio_difference(*sums, level=level)
    out |= {"se_delta_ratio_of_sums": ratio.se, "df_delta": ratio.df, "p_value_delta": ratio.p_value}
    means = [sums[0] / sums[1], sums[2] / sums[3]]
    variances = [m.var(ddof=1) / len(m) for m in means]
    return out | {
        "user_means_diff": float(means[1].mean() - means[0].mean()),
        "user_means_se": float(np.sqrt(sum(variances))),
    }


def clustered_mean_case(inputs: Case) -> Case:
    values = pick(inputs, "values", "y")
    cluster = pick(inputs, "cluster", "clusters", "cluster_id")
    level = 1 - alpha_of(inputs)
    answers = {name.lower(): clustered_mean(values, cluster, level, name) for name in ("CR2", "CR1", "CR0")}
    out: Case = {}
    for name, answer in answers.items():
        out |= plain(answer) | {f"se_{name}": answer.se, f"df_{name}": answer.df}
    return out | {"mean": answers["cr0"].value, "se_clustered": answers["cr0"].se}


def icc(inputs: Case) -> Case:
    answer = intraclass_correlation(pick(inputs, "values", "y"), pick(inputs, "cluster", "clusters"))
    sizes = np.unique(np.asarray(pick(inputs, "cluster", "clusters")), return_counts=True)[1]
    cv = float(sizes.std(ddof=0) / sizes.mean())
    deff = float(design_effect(sizes.mean(), answer.icc or 0.0, cv))
    return {
        "icc": answer.icc,
        "n0": answer.size,
        "msb": answer.between,
        "msw": answer.within,
        "ms_between": answer.between,
        "ms_within": answer.within,
        "design_effect": deff,
        "effective_n": answer.rows / deff,
    }


def deff(inputs: Case) -> Case:
    value = design_effect(
        pick(inputs, "mean_cluster_size", "cluster_size", "m"),
        inputs["icc"],
        pick(inputs, "cluster_size_cv", "cv", default=0.0),
    )
    rows = pick(inputs, "n", "n_rows", "n_observations", default=None)
    false_positives = 2 * special.ndtr(special.ndtri(alpha_of(inputs) / 2) / np.sqrt(value))
    out = {"design_effect": number(value), "false_positive_rate": number(false_positives)}
    return out if rows is None else out | {"effective_n": number(np.asarray(rows) / value)}


def nested(inputs: Case) -> Case:
    parts = variance_components(pick(inputs, "values", "y"), inputs["user"], inputs["task"])
    return {name: getattr(parts, name) for name in parts.__slots__} | {
        "var_user": parts.between_users,
        "var_task": parts.between_tasks,
        "var_run": parts.between_runs,
        "icc_user": parts.user_icc,
        "icc_task": parts.task_icc,
    }


def quantile_ranks(inputs: Case) -> Case:
    level = 1 - alpha_of(inputs)
    quantiles = np.atleast_1d(pick(inputs, "quantile", "quantiles", "q")).tolist()
    out: Case = {}
    for q in [*({0.25, 0.5, 0.75, 0.9, 0.95, 0.99} if "values" in inputs else ()), *quantiles]:
        tag = f"p{100 * q:g}".replace(".", "_")
        n = pick(inputs, "n", default=None)
        if "values" in inputs:
            values = inputs["values"]
            n = len(values)
            answer = quantile_interval(values, q, level)
            out |= plain(answer) | {
                f"{tag}_ci": [answer.low, answer.high],
                f"{tag}_type7": float(np.quantile(values, q)),
                f"{tag}_inverse_cdf": answer.value,
                "type7": float(np.quantile(values, q)),
                "inverse_cdf": answer.value,
            }
        ranks = order_statistic_ranks(int(n), q, level)
        out |= {
            "lower_rank": ranks.lower,
            "upper_rank": ranks.upper,
            "coverage": ranks.coverage,
            "min_n": rows_for_interval(q, level),
            "n_required": rows_for_interval(q, level),
        }
        if "values" not in inputs:
            out |= {"ci_low": ranks.lower, "ci_high": ranks.upper, "ci_lower": ranks.lower, "ci_upper": ranks.upper}
    return out


def quantile_diff(inputs: Case) -> Case:
    level = 1 - alpha_of(inputs)
    q = pick(inputs, "quantile", "q", default=0.5)
    if "control" in inputs and not isinstance(inputs["control"], dict):
        clusters = [pick(inputs, f"{arm}_cluster", default=None) for arm in ("control", "treatment")]
        answer = quantile_difference(inputs["control"], inputs["treatment"], q, level, *clusters)
        out = plain(answer)
        for arm, cluster in zip(("control", "treatment"), clusters, strict=True):
            pair = quantile_se(inputs[arm], q, cluster)
            out[f"{arm}_quantile"], out[f"{arm}_se"] = pair if pair is not None else (None, None)
    else:
        pairs = []
        for arm in ("control", "treatment"):
            stats = pick(inputs, f"{arm}_stats", arm, default=inputs)
            value = pick(stats, "quantile_hat", "quantile_value", f"{arm}_quantile", "value")
            se = pick(stats, "se", f"{arm}_se", default=None)
            if se is None:
                low, high = pick(stats, "quantile_lower", "lower"), pick(stats, "quantile_upper", "upper")
                se = (high - low) / (2 * float(special.ndtri(0.975)))
            pairs += [value, se]
        answer = quantile_contrast(*pairs, level=level)
        out = plain(answer)
    return out


def median_ratio_case(inputs: Case) -> Case:
    answer = median_ratio(inputs["control"], inputs["treatment"], 1 - alpha_of(inputs))
    return plain(answer) | {"ratio": answer.value, "log_se": answer.se}


def median_difference_case(inputs: Case) -> Case:
    answer = median_difference(inputs["control"], inputs["treatment"], 1 - alpha_of(inputs))
    out = plain(answer)
    return out | {f"{arm}_se": median_se(inputs[arm]) for arm in ("control", "treatment")}


def median_ci(inputs: Case) -> Case:
    se, median = median_se(inputs["values"]), float(np.median(inputs["values"]))
    half = float(special.ndtri(1 - alpha_of(inputs) / 2)) * se
    return {"median": median, "standard_error": se, "se": se, "ci_low": median - half, "ci_high": median + half}


def quantile_bootstrap(inputs: Case) -> Case:
    level, q = 1 - alpha_of(inputs), pick(inputs, "quantile", "q")
    if "values" in inputs:
        return plain(binomial_bootstrap(inputs["values"], q, level))
    return plain(binomial_bootstrap_difference(inputs["control"], inputs["treatment"], q, level))


def mann_whitney_case(inputs: Case) -> Case:
    answer = mann_whitney(inputs["control"], inputs["treatment"], 1 - alpha_of(inputs))
    p_value = {"greater": answer.p_value_greater, "less": answer.p_value_less}.get(
        pick(inputs, "alternative", default="two-sided"), answer.p_value
    )
    pairs = len(inputs["control"]) * len(inputs["treatment"])
    return {
        "u_statistic": answer.u,
        "statistic": answer.u,
        "p_value": p_value,
        "p_value_exact": p_value if answer.is_exact else None,
        "p_value_asymptotic": None if answer.is_exact else p_value,
        "p_value_greater": answer.p_value_greater,
        "p_value_less": answer.p_value_less,
        "hodges_lehmann": answer.shift,
        "prob_superiority": answer.u / pairs,
        "ci_low": answer.low,
        "ci_high": answer.high,
    }


def brunner_munzel_case(inputs: Case) -> Case:
    answer = brunner_munzel(inputs["control"], inputs["treatment"], 1 - alpha_of(inputs))
    out = plain(answer) | {"prob_superiority": answer.value}
    if min(len(inputs["control"]), len(inputs["treatment"])) >= 2:
        out["p_value_permutation"] = brunner_munzel_permutation(inputs["control"], inputs["treatment"], rng_of(inputs))
        out["permutation_p_value"] = out["p_value_permutation"]
    return out


def brunner_munzel_permuted(inputs: Case) -> Case:
    out = brunner_munzel_case(inputs)
    return out | {"p_value": out["p_value_permutation"]}


def _post_pre(inputs: Case) -> tuple[Any, Any, Any, Any]:
    y = [sample(inputs, arm) for arm in ("control", "treatment")]
    x = [
        np.asarray(pick(inputs, f"{arm}_pre", f"{arm}_covariate", f"{arm}_covariates", f"{arm}_x"), dtype=float)
        for arm in ("control", "treatment")
    ]
    x = [part.T if part.ndim == 2 and part.shape[0] != len(v) else part for part, v in zip(x, y, strict=True)]
    return y[0], y[1], x[0], x[1]


def adjustment(inputs: Case) -> Case:
    data, level = _post_pre(inputs), 1 - alpha_of(inputs)
    ancova = regression_difference(*data, level=level, interacted=False, correction="classical")
    lin = regression_difference(*data, level=level)
    lin3 = regression_difference(*data, level=level, correction="HC3")
    within, total = (cuped_difference(*data, level=level, pooling=pooling) for pooling in ("within", "total"))
    out = plain(total if pick(inputs, "theta", "pooling", default="within") == "total" else within)
    for tag, answer in (("ancova", ancova), ("lin", lin), ("cuped", within), ("cuped_total", total)):
        out |= {f"{tag}_{name}": value for name, value in plain(answer).items()}
    out |= {
        "lin_se_hc2": lin.se,
        "lin_se_hc3": lin3.se,
        "theta_within": within.details["theta"],
        "theta_total": total.details["theta"],
        "theta": out["theta"],
    }
    reduction = within.details["variance_removed"]
    chosen = total if pick(inputs, "theta", "pooling", default="total") == "total" else within
    return (
        out | {"variance_reduction": reduction, "variance_ratio": 1 - reduction} | _adjusted_lift(data, chosen, level)
    )


def _adjusted_lift(data: tuple[Any, Any, Any, Any], answer: Estimate, level: float) -> Case:
    """Lift of the adjusted means on the log scale, with Satterthwaite degrees of freedom there."""
    control, treatment = answer.details["control"], answer.details["treatment"]
    if min(control, treatment) <= 0:
        return {}
    theta = np.atleast_1d(answer.details["theta"])
    parts = []
    for y, x, mean in ((data[0], data[2], control), (data[1], data[3], treatment)):
        adjusted = y - np.reshape(x, (len(y), -1)) @ theta
        parts.append((adjusted.var(ddof=1) / len(y) / mean**2, len(y)))
    variance = sum(v for v, _ in parts)
    df = variance**2 / sum(v**2 / (n - 1) for v, n in parts)
    half = float(special.stdtrit(df, (1 + level) / 2)) * np.sqrt(variance)
    ratio = treatment / control
    return {
        "lift": ratio - 1,
        "rel_effect_size": ratio - 1,
        "rel_ci_low": ratio * np.exp(-half) - 1,
        "rel_ci_high": ratio * np.exp(half) - 1,
        "lift_ci_low": ratio * np.exp(-half) - 1,
        "lift_ci_high": ratio * np.exp(half) - 1,
    }


def cuped_ratio(inputs: Case) -> Case:
    """The numerator and denominator per unit, linearised; a covariate may be a ratio too."""
    linear: Case = {}
    for arm in ("control", "treatment"):
        linear[arm] = ratio_linearised(inputs[f"{arm}_numerator"], inputs[f"{arm}_denominator"]).tolist()
        if f"{arm}_denominator_covariate" in inputs:
            x = ratio_linearised(inputs[f"{arm}_numerator_covariate"], inputs[f"{arm}_denominator_covariate"])
        else:
            x = np.asarray(pick(inputs, f"{arm}_covariate", f"{arm}_pre", f"{arm}_numerator_covariate"), dtype=float)
        linear[f"{arm}_covariate"] = x
    return adjustment(inputs | linear)


def post_stratification(inputs: Case) -> Case:
    strata = [pick(inputs, f"{arm}_stratum", f"{arm}_strata") for arm in ("control", "treatment")]
    return plain(
        post_stratified_difference(inputs["control"], strata[0], inputs["treatment"], strata[1], 1 - alpha_of(inputs))
    )


def paired_t(inputs: Case) -> Case:
    answer = paired_difference(inputs["control"], inputs["treatment"], 1 - alpha_of(inputs))
    return plain(answer)


def paired_clustered(inputs: Case) -> Case:
    level = 1 - alpha_of(inputs)
    group = pick(inputs, "cluster", "group", "topic", default=None)
    task = [
        pick(inputs, f"{arm}_task", f"{arm}_tasks", "task", "tasks", default=None) for arm in ("control", "treatment")
    ]
    if task[0] is not None and group is None:
        answer = paired_clustered_difference(inputs["control"], task[0], inputs["treatment"], task[1], level)
        flips, _ = task_differences(inputs["control"], task[0], inputs["treatment"], task[1])
    else:
        c, t = (np.asarray(inputs[arm], dtype=float) for arm in ("control", "treatment"))
        c, t = (part.mean(axis=1) if part.ndim == 2 else part for part in (c, t))
        answer = paired_difference(c, t, level) if group is None else paired_grouped_difference(c, t, group, level)
        flips = t - c
    out = plain(answer)
    if len(flips) <= 20:
        out["sign_flip_p_value"] = out["p_value_sign_flip"] = sign_flip_test(flips).p_value
    return out


def sign_flip(inputs: Case) -> Case:
    differences = pick(inputs, "differences", "values", default=None)
    if differences is None:
        differences = np.asarray(inputs["treatment"], float) - np.asarray(inputs["control"], float)
    answer = sign_flip_test(differences, rng_of(inputs))
    return plain(answer) | {"p_value_exact": answer.p_value, "mean_difference": answer.value}


def signed_rank(inputs: Case) -> Case:
    differences = pick(inputs, "differences", "values", default=None)
    if differences is None:
        differences = np.asarray(inputs["treatment"], float) - np.asarray(inputs["control"], float)
    answer = signed_rank_test(differences)
    return plain(answer) | {
        "v_statistic": answer.statistic,
        "w_statistic": answer.statistic,
        "p_value_exact": answer.p_value,
        "pseudomedian": answer.value,
        "hodges_lehmann": answer.value,
    }


def mcnemar(inputs: Case) -> Case:
    pairs = PairedRates(*(inputs[name] for name in ("both", "only_control", "only_treatment", "neither")))
    level = 1 - alpha_of(inputs)
    plain_newcombe, corrected = (list(pairs.newcombe_interval(level, flag)) for flag in (False, True))
    return {
        "diff_treatment_minus_control": pairs.difference,
        "diff": pairs.difference,
        "chi2": pairs.chi_square(),
        "p_value_asymptotic": pairs.p_value_asymptotic(),
        "chi2_continuity": pairs.chi_square(continuity=True),
        "p_value_continuity": pairs.p_value_asymptotic(continuity=True),
        "p_value_exact": pairs.p_value_exact,
        "p_value_midp": pairs.p_value_mid,
        "p_value": pairs.p_value_exact,
        "wald_ci": list(pairs.wald_interval(level)),
        "agresti_min_ci": list(pairs.agresti_min_interval(level)),
        "newcombe_ci": corrected,
        "newcombe_paired_ci": corrected,
        "newcombe_method8_ci": plain_newcombe,
        "newcombe_uncorrected_ci": plain_newcombe,
        "newcombe_method10_ci": corrected,
    }


def passes(inputs: Case) -> Case:
    n, k = pick(inputs, "n", "trials"), int(inputs["k"])
    c = pick(inputs, "c", "successes")
    out = {"pass_at_k": number(pass_at_k(n, c, k)), "pass_hat_k": number(pass_hat_k(n, c, k))}
    if np.ndim(c):
        level = 1 - alpha_of(inputs)
        for name, every in (("pass_at_k", False), ("pass_hat_k", True)):
            answer = pass_rate(n, c, k, every, level)
            out |= {
                f"mean_{name}": answer.value,
                f"{name}_mean": answer.value,
                f"{name}_se": answer.se,
                f"{name}_ci": [answer.low, answer.high],
                f"{name}_ci_low": answer.low,
                f"{name}_ci_high": answer.high,
            }
    return out


def pass_difference(inputs: Case) -> Case:
    every = pick(inputs, "every", default=pick(inputs, "kind", default="") in ("pass^k", "pass_hat_k"))
    n = pick(inputs, "n", "trials", default=None)
    answer = pass_rate_difference(
        pick(inputs, "control_n", default=n),
        pick(inputs, "control_c", "control_successes"),
        pick(inputs, "treatment_n", default=n),
        pick(inputs, "treatment_c", "treatment_successes"),
        int(inputs["k"]),
        every,
        1 - alpha_of(inputs),
    )
    return plain(answer)


def bayes_beta(inputs: Case) -> Case:
    prior = BetaPrior(pick(inputs, "prior_alpha", default=1), pick(inputs, "prior_beta", default=1))
    goal = "minimize" if str(pick(inputs, "goal", default="maximize")).startswith("min") else "maximize"
    belief = beta_binomial(
        inputs["control_successes"],
        inputs["control_n"],
        inputs["treatment_successes"],
        inputs["treatment_n"],
        prior,
        1 - alpha_of(inputs),
        goal,
    )
    return {
        "chance_to_beat_control": belief.chance_to_win,
        "chance_to_win": belief.chance_to_win,
        "expected_loss_if_ship_treatment": belief.loss_if_shipped,
        "expected_loss_if_keep_control": belief.loss_if_kept,
        "posterior_mean": belief.value,
        "posterior_sd": belief.sd,
        "diff": belief.value,
        "ci_low": belief.low,
        "ci_high": belief.high,
    }


def bayes_best(inputs: Case) -> Case:
    prior = BetaPrior(pick(inputs, "prior_alpha", default=1), pick(inputs, "prior_beta", default=1))
    answer = best_rate(pick(inputs, "successes", "x"), pick(inputs, "n", "trials"), prior)
    return {
        "prob_best": number(answer.chance_best),
        "probability_best": number(answer.chance_best),
        "p_best": number(answer.chance_best),
        "chance_best": number(answer.chance_best),
        "expected_loss": number(answer.expected_loss),
        "posterior_mean": number(answer.value),
    }


def bayes_normal(inputs: Case) -> Case:
    relative = "prior_on_lift" in inputs or "prior_on_relative_difference" in inputs or inputs.get("relative", False)
    if "effect" in inputs or "diff" in inputs:
        effect, se = pick(inputs, "effect", "diff"), pick(inputs, "se", "standard_error")
    else:
        (n_c, m_c, v_c), (n_t, m_t, v_t) = (summary(inputs, arm) for arm in ("control", "treatment"))
        effect, se = m_t - m_c, np.sqrt(v_c / n_c + v_t / n_t)
        if relative:
            effect, se = effect / m_c, np.sqrt(v_t / n_t / m_c**2 + m_t**2 * v_c / n_c / m_c**4)
    stated = pick(
        inputs, "prior_on_absolute_difference", "prior_on_lift", "prior_on_relative_difference", "prior", default=None
    )
    prior = FLAT_PRIOR
    if stated and pick(stated, "proper", default=True):
        spread = pick(stated, "sd", default=None)
        prior = NormalPrior(stated["mean"], np.sqrt(stated["variance"]) if spread is None else spread)
    elif "prior_mean" in inputs:
        spread = pick(inputs, "prior_sd", default=None)
        prior = NormalPrior(inputs["prior_mean"], np.sqrt(inputs["prior_variance"]) if spread is None else spread)
    goal = "minimize" if str(pick(inputs, "goal", default="maximize")).startswith("min") else "maximize"
    belief = normal_normal(float(effect), float(se), prior, 1 - alpha_of(inputs), goal)
    return {
        "posterior_mean": belief.value,
        "posterior_sd": belief.sd,
        "ci_low": belief.low,
        "ci_high": belief.high,
        "chance_to_win": belief.chance_to_win,
        "chance_to_beat_control": belief.chance_to_win,
        "expected_loss_if_ship_treatment": belief.loss_if_shipped,
        "expected_loss_if_keep_control": belief.loss_if_kept,
    }


def permutation(inputs: Case) -> Case:
    answer = permutation_test(inputs["control"], inputs["treatment"], rng_of(inputs), draws=49999)
    side = {"greater": "p_value_greater", "less": "p_value_less"}.get(pick(inputs, "alternative", default=""))
    return plain(answer) | ({"p_value": answer.details[side]} if side else {})


def bootstrap(inputs: Case) -> Case:
    kind = pick(inputs, "kind", "method", default="bca")
    kind = "percentile" if str(kind).lower().startswith("perc") else "bca"
    return plain(
        bootstrap_difference(
            inputs["control"], inputs["treatment"], rng_of(inputs), kind=kind, level=1 - alpha_of(inputs), draws=9999
        )
    )


def bootstrap_clusters(inputs: Case) -> Case:
    arms = [inputs["control"], inputs["control_cluster"], inputs["treatment"], inputs["treatment_cluster"]]
    if "quantile" in inputs or "q" in inputs:
        q = pick(inputs, "quantile", "q")
        return plain(cluster_quantile_bootstrap(*arms, q, rng_of(inputs), 1 - alpha_of(inputs)))
    return plain(cluster_bootstrap(*arms, rng_of(inputs), 1 - alpha_of(inputs)))


def bootstrap_poisson(inputs: Case) -> Case:
    return plain(poisson_bootstrap(inputs["control"], inputs["treatment"], rng_of(inputs), 1 - alpha_of(inputs)))


def quantile_point(inputs: Case) -> Case:
    q = pick(inputs, "quantile", "q")
    return {"type7": float(np.quantile(inputs["values"], q)), "inverse_cdf": sample_quantile(inputs["values"], q)}


def outcome(answer: Estimate) -> Case:
    """What an edge case may ask of an estimate."""
    ci = None if answer.low is None and answer.high is None else [answer.low, answer.high]
    return plain(answer) | {
        "ci": ci,
        "lift": answer.details.get("lift"),
        "status": "ok" if answer.p_value is not None else "not_inferable",
        "significant": answer.is_significant,
        "warning": answer.reason is not None,
        "reason": None if answer.reason is None else answer.reason.value,
        "raises_or_rejects": answer.reason is not None and answer.p_value is None,
    }


def edge(call: Callable[[Case], Estimate | Case | None]) -> Callable[[Case, Case], Case | None]:
    """A check of an edge case: what raises is rejected."""

    def check(given: Case, required: Case) -> Case | None:
        try:
            answer = call(given)
        except ValueError:
            return {"raises_or_rejects": True, "status": "not_inferable", "p_value": None, "ci": None, "warning": True}
        return outcome(answer) if isinstance(answer, Estimate) else answer

    return check


def edge_ratio(given: Case) -> Estimate:
    sums = []
    for arm in ("control", "treatment"):
        if f"{arm}_numerator" in given:
            sums += [given[f"{arm}_numerator"], given[f"{arm}_denominator"]]
        else:
            rows = np.asarray(given[arm], dtype=float).reshape(-1, 2)
            sums += [rows[:, 0], rows[:, 1]]
    return ratio_difference(*sums, level=1 - alpha_of(given))


def edge_quantile(given: Case) -> Estimate | Case:
    q = pick(given, "quantile", "q", "quantiles", default=0.5)
    q = q[0] if isinstance(q, list) else q
    level = 1 - alpha_of(given)
    if "control" in given:
        clusters = [pick(given, f"{arm}_cluster", default=None) for arm in ("control", "treatment")]
        return quantile_difference(given["control"], given["treatment"], q, level, *clusters)
    values = pick(given, "values", default=None)
    if values is None:
        values = np.arange(1.0, int(given["n"]) + 1)
    answer = quantile_interval(values, q, level)
    missing = answer.low is None or answer.high is None
    return outcome(answer) | {
        "ci_lower": answer.low,
        "ci_upper": answer.high,
        "status": "not_inferable" if missing else "ok",
        "min_n": rows_for_interval(q, level),
        "n_required": rows_for_interval(q, level),
    }


def edge_cluster(given: Case) -> Estimate:
    if "control" not in given:
        return clustered_mean(pick(given, "values", "y"), pick(given, "cluster", "clusters"), 1 - alpha_of(given))
    labels = [pick(given, f"{arm}_cluster", f"{arm}_clusters") for arm in ("control", "treatment")]
    return clustered_difference(given["control"], labels[0], given["treatment"], labels[1], 1 - alpha_of(given))


def edge_paired(given: Case) -> Estimate | Case:
    if "only_control" in given or "both" in given:
        return mcnemar(given) | {"status": "ok", "significant": mcnemar(given)["p_value"] < alpha_of(given)}
    if "differences" in given:
        return paired_difference(np.zeros(len(given["differences"])), given["differences"], 1 - alpha_of(given))
    return paired_difference(given["control"], given["treatment"], 1 - alpha_of(given))


def edge_rank(given: Case) -> Case:
    answer = brunner_munzel(given["control"], given["treatment"], 1 - alpha_of(given))
    return outcome(answer) | {"prob_superiority": answer.value, "estimate": answer.value}


def edge_cuped(given: Case) -> Estimate | Case:
    answer = cuped_difference(*_post_pre(given), level=1 - alpha_of(given))
    removed = answer.details.get("variance_removed")
    return outcome(answer) | {
        "theta": answer.details.get("theta"),
        "variance_reduction": removed,
        "warning": answer.reason is not None or removed == 0.0,
    }


def edge_passes(given: Case) -> Case:
    return passes(given) | {"raises_or_rejects": False, "status": "ok"}


def edge_bayes(given: Case) -> Case:
    return (bayes_beta(given) if "control_successes" in given else bayes_normal(given)) | {"status": "ok"}


BEHAVIOURS = {
    **dict.fromkeys(("ratio metric", "ratio", "ratio metrics"), edge(edge_ratio)),
    **dict.fromkeys(("quantile", "quantiles", "quantile metric", "quantile metrics"), edge(edge_quantile)),
    **dict.fromkeys(("cluster", "clusters", "clustered", "clustered observations", "clustering"), edge(edge_cluster)),
    **dict.fromkeys(("paired", "paired t", "mcnemar", "same tasks", "agent evaluation"), edge(edge_paired)),
    **dict.fromkeys(("rank", "rank tests", "brunner-munzel", "brunner_munzel", "nonparametric"), edge(edge_rank)),
    **dict.fromkeys(("cuped", "CUPED", "regression adjustment", "variance reduction"), edge(edge_cuped)),
    **dict.fromkeys(("pass@k", "pass_at_k", "pass at k"), edge(edge_passes)),
    **dict.fromkeys(("bayes", "bayesian", "Bayesian"), edge(edge_bayes)),
}
METHODS: dict[str, Callable[[Case], Case]] = {
    "ratio_metric_delta": ratio_metric,
    "ratio_metric": ratio_metric,
    "clustered_mean_diff": clustered_diff,
    "clustered_mean_difference": clustered_diff,
    "clustered_mean_se": clustered_mean_case,
    "clustered_mean": clustered_mean_case,
    "icc_anova": icc,
    "design_effect": deff,
    "clustered_false_positive_rate": deff,
    "variance_components": nested,
    "nested_anova": nested,
    "quantile_ci_order_statistics": quantile_ranks,
    "quantile_min_n": quantile_ranks,
    "quantile_point_estimate": quantile_point,
    "quantile_difference_outer_ci": quantile_diff,
    "quantile_diff_outer_ci": quantile_diff,
    "quantile_difference": quantile_diff,
    "quantile_difference_clustered": quantile_diff,
    "quantile_ratio_price_bonett": median_ratio_case,
    "median_ratio_price_bonett": median_ratio_case,
    "quantile_difference_price_bonett": median_difference_case,
    "quantile_diff_price_bonett": median_difference_case,
    "median_difference_price_bonett": median_difference_case,
    "median_diff_price_bonett": median_difference_case,
    "median_price_bonett": median_ci,
    "quantile_binomial_bootstrap": quantile_bootstrap,
    "mann_whitney": mann_whitney_case,
    "hodges_lehmann": mann_whitney_case,
    "brunner_munzel": brunner_munzel_case,
    "brunner_munzel_permutation": brunner_munzel_permuted,
    "regression_adjustment": adjustment,
    "cuped": adjustment,
    "cuped_mean": adjustment,
    "cuped_ratio": cuped_ratio,
    "ratio_metric_cuped": cuped_ratio,
    "ancova": adjustment,
    "lin_regression": adjustment,
    "post_stratification": post_stratification,
    "paired_t": paired_t,
    "paired_clustered": paired_clustered,
    "paired_clustered_difference": paired_clustered,
    "paired_tasks_trials": paired_clustered,
    "task_level_paired": paired_clustered,
    "sign_flip_permutation": sign_flip,
    "sign_flip": sign_flip,
    "paired_permutation": sign_flip,
    "wilcoxon_signed_rank": signed_rank,
    "signed_rank": signed_rank,
    "mcnemar": mcnemar,
    "pass_at_k_and_pass_hat_k": passes,
    "pass_at_k": passes,
    "pass_hat_k": passes,
    "pass_at_k_difference": pass_difference,
    "pass_at_k_paired": pass_difference,
    "bayes_beta_binomial": bayes_beta,
    "bayes_beta_binomial_best": bayes_best,
    "bayes_beta_binomial_k_arms": bayes_best,
    "bayes_best_of_k": bayes_best,
    "bayes_normal_effect": bayes_normal,
    "bayes_normal_normal": bayes_normal,
    "permutation_test": permutation,
    "bootstrap": bootstrap,
    "bootstrap_bca": bootstrap,
    "cluster_bootstrap": bootstrap_clusters,
    "poisson_bootstrap": bootstrap_poisson,
}
