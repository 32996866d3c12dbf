"""Sequential methods by the name that a reference case gives them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from abkit.stats.boundary import distinct_looks
from abkit.stats.eprocess import (
    always_valid_p,
    bernoulli_sequence,
    mixture_precision,
    mixture_sprt,
    normal_mixture_bound,
    normal_mixture_log_e,
    two_proportion_log_e,
)
from abkit.stats.futility import futility_design
from abkit.stats.group_sequential import (
    Bounds,
    drift_for_power,
    expected_information,
    inflation,
    peeking_error,
    rejection_probability,
    spending_bounds,
    wang_tsiatis_bounds,
)
from abkit.stats.linear_sequence import linear_model_log_e, linear_model_multiplier
from abkit.stats.sequential import mixture_variance, sequence_margin, sequence_p_value
from abkit.stats.spending import Spending
from abkit.stats.stopping import GroupSequentialTest, stopped_estimate
from tests.reference.arguments import alpha_of, number, pick, summary

Case = dict[str, Any]


def asymptotic_cs_margin(inputs: Case) -> Case:
    alpha = alpha_of(inputs)
    rho2 = pick(inputs, "rho2", "rho_squared", default=None)
    if rho2 is None:
        rho2 = mixture_variance(pick(inputs, "t_opt", "tuning_parameter", "planned_n"), alpha)
    scale = np.sqrt(pick(inputs, "variance", "var", default=1.0)) * pick(inputs, "sd", default=1.0)
    margin = sequence_margin(pick(inputs, "t", "n", "times"), rho2, alpha) * scale
    return {"rho2": rho2, "rho": np.sqrt(rho2), "margin": number(margin), "half_width": number(margin)}


def asymptotic_cs_two_sample(inputs: Case) -> Case:
    alpha = alpha_of(inputs)
    (n_c, mean_c, var_c), (n_t, mean_t, var_t) = (summary(inputs, arm) for arm in ("control", "treatment"))
    rho2 = mixture_variance(pick(inputs, "tuning_parameter", "t_opt", "planned_n", default=5000), alpha, exact=False)
    n, diff, se = n_c + n_t, mean_t - mean_c, np.sqrt(var_c / n_c + var_t / n_t)
    half = float(sequence_margin(n, rho2, alpha)) * np.sqrt(n) * se
    p_value = float(sequence_p_value(diff / se, n * rho2))
    return {
        "diff": diff,
        "standard_error": se,
        "ci_low": diff - half,
        "ci_high": diff + half,
        "half_width": half,
        "always_valid_p": p_value,
        "p_value": p_value,
        "rho2": rho2,
        "rho": np.sqrt(rho2),
    }


def normal_mixture(inputs: Case) -> Case:
    sides = 1 if pick(inputs, "one_sided", "is_one_sided", default=False) or inputs.get("sides") == 1 else 2
    alpha_opt = pick(inputs, "alpha_opt", default=alpha_of(inputs))
    rho = mixture_precision(pick(inputs, "v_opt", "t_opt"), alpha_opt, sides)
    v = pick(inputs, "v", "variance")
    out: Case = {"rho": rho}
    if "s" in inputs:
        log_e = normal_mixture_log_e(inputs["s"], v, rho, sides)
        out |= {
            "log_e": number(log_e),
            "e_value": number(np.exp(log_e)),
            "p_value": number(np.exp(-np.maximum(log_e, 0))),
        }
    if sides == 2:
        out |= {name: number(normal_mixture_bound(v, rho, alpha_of(inputs))) for name in ("bound", "boundary")}
    return out


def bernoulli_cs(inputs: Case) -> Case:
    low, high = bernoulli_sequence(
        pick(inputs, "successes", "x"),
        pick(inputs, "n", "trials"),
        alpha_of(inputs),
        pick(inputs, "t_opt", "planned_n"),
        pick(inputs, "alpha_opt", default=0.05),
    )
    return {"ci": [low, high], "ci_low": low, "ci_high": high}


def msprt(inputs: Case) -> Case:
    ratio = mixture_sprt(
        pick(inputs, "mean_difference", "diff", "difference"),
        pick(inputs, "n_per_arm", "n"),
        pick(inputs, "variance", "var", default=1.0),
        pick(inputs, "tau2", "tau_squared"),
    )
    p_value = number(np.minimum(1.0, 1 / ratio))
    running = number(always_valid_p(np.log(np.atleast_1d(ratio))))
    return {
        "likelihood_ratio": number(ratio),
        "log_likelihood_ratio": number(np.log(ratio)),
        "p_value_at_this_n": p_value,
        "p_value": p_value,
        "always_valid_p": running if np.ndim(ratio) else p_value,
        "sequential_p_values": running,
    }


def eprocess(inputs: Case) -> Case:
    log_e = two_proportion_log_e(inputs["control"], inputs["treatment"], pick(inputs, "prior", default=0.18))
    last = float(np.exp(log_e[-1]))
    return {
        "e_value": last,
        "log_e": float(log_e[-1]),
        "e_values": number(np.exp(log_e)),
        "e_process": number(np.exp(log_e)),
        "always_valid_p": min(1.0, 1 / last),
        "running_p_value": float(always_valid_p(log_e)[-1]),
        "sequential_p_values": number(always_valid_p(log_e)),
        "max_e_value": float(np.exp(log_e.max())),
    }


_SPENDING = {
    "LDOF": "obrien_fleming",
    "ASOF": "obrien_fleming",
    "OBRIEN_FLEMING": "obrien_fleming",
    "SFLDOF": "obrien_fleming",
    "LDP": "pocock",
    "ASP": "pocock",
    "LDPOCOCK": "pocock",
    "SFLDPOCOCK": "pocock",
    "POCOCK": "pocock",
    "HSD": "hwang_shih_decani",
    "ASHSD": "hwang_shih_decani",
    "SFHSD": "hwang_shih_decani",
    "KD": "power",
    "ASKD": "power",
    "POWER": "power",
    "SFPOWER": "power",
}
_CLASSICAL = {"P": 0.5, "OF": 0.0, "OBF": 0.0, "WT": None, "WANG_TSIATIS": None}


def _spending(name: str, parameter: Any) -> Spending:
    key = name.upper().replace("-", "_").replace(" ", "_")
    family = _SPENDING.get(key) or _SPENDING[key.replace("_", "")]
    default = {"hwang_shih_decani": -4.0, "power": 3.0}.get(family, 1.0)
    return Spending(family, default if parameter is None else float(parameter))  # type: ignore[arg-type]


def _times(inputs: Case) -> Any:
    times = pick(inputs, "information_rates", "information_fractions", "information", "timing", "t", default=None)
    if times is not None:
        return np.asarray(times, dtype=np.float64)
    looks = int(pick(inputs, "k", "looks", "K", "n_looks"))
    return np.arange(1, looks + 1) / looks


def _bounds(inputs: Case) -> Bounds:
    sides = int(pick(inputs, "sides", default=2))
    alpha = float(pick(inputs, "alpha", default=0.05))
    kind = str(pick(inputs, "type", "spending", "design", default="LDOF"))
    parameter = pick(inputs, "gamma", "rho", "delta", "deltaWT", "parameter", "gammaA", default=None)
    if kind.upper() in _CLASSICAL:
        shape = _CLASSICAL[kind.upper()]
        return wang_tsiatis_bounds(_times(inputs), alpha, sides, float(parameter) if shape is None else shape)
    return spending_bounds(_times(inputs), alpha, sides, _spending(kind, parameter))


def group_sequential_bounds(inputs: Case) -> Case:
    bounds = _bounds(inputs)
    spent = np.cumsum(np.diff(rejection_probability(bounds, 0.0), prepend=0.0))
    out = {
        "z_bounds": number(bounds.efficacy),
        "cumulative_alpha_spent": number(spent),
        "alpha_spent": number(np.diff(spent, prepend=0.0)),
        "stage_levels": number(special.ndtr(-bounds.efficacy)),
        "nominal_p_values": number(bounds.p_values),
        "p_bounds": number(bounds.p_values),
        "constant": number(bounds.efficacy[-1]),
        "critical_values": number(bounds.efficacy),
    }
    for power in (0.8, 0.9, 0.95):
        drift = drift_for_power(bounds, power)
        tag = f"power{round(100 * power)}"
        out[f"inflation_factor_{tag}"] = inflation(bounds, power)
        out[f"drift_{tag}"] = drift
        out[f"cumulative_power_{tag}"] = number(rejection_probability(bounds, drift))
        out[f"expected_information_{tag}"] = expected_information(bounds, drift) / bounds.information[-1]
    power = pick(inputs, "power", default=1 - inputs["beta"] if "beta" in inputs else 0.8)
    out["inflation_factor"] = out["inflation"] = inflation(bounds, power)
    return out


def group_sequential_power(inputs: Case) -> Case:
    bounds = _bounds(inputs)
    drift = pick(inputs, "drift", "theta", default=None)
    if drift is None and "power" in inputs:
        drift = drift_for_power(bounds, inputs["power"])
    if drift is None:
        drift = pick(inputs, "effect", "delta") / pick(inputs, "se", "standard_error")
    reached = rejection_probability(bounds, drift)
    return {
        "power": float(reached[-1]),
        "drift": float(drift),
        "exit_probabilities": number(np.diff(reached, prepend=0.0)),
        "cumulative_power": number(reached),
        "z_bounds": number(bounds.efficacy),
        "expected_information": expected_information(bounds, drift),
    }


def group_sequential_futility(inputs: Case) -> Case:
    binding = pick(inputs, "test_type", default=4) in (2, 3) or bool(inputs.get("binding", False))
    design = futility_design(
        _times(inputs),
        pick(inputs, "alpha", default=0.025),
        pick(inputs, "beta", default=0.2),
        _spending(
            pick(inputs, "upper", "sfu", default="LDOF"),
            pick(inputs, "upper_param", "upper_gamma", "sfupar", default=None),
        ),
        _spending(
            pick(inputs, "lower", "sfl", default="LDOF"),
            pick(inputs, "lower_param", "lower_gamma", "sflpar", default=None),
        ),
        binding,
    )
    below, above = design.crossing(design.drift)
    return {
        "upper": number(design.efficacy),
        "lower": number(design.futility),
        "z_upper": number(design.efficacy),
        "z_lower": number(design.futility),
        "information_inflation": number(design.information * design.inflation),
        "inflation_factor": design.inflation,
        "drift": design.drift,
        "power": float(above.sum()),
        "beta_spent": number(np.cumsum(below)),
    }


def naive_peeking(inputs: Case) -> Case:
    error = peeking_error(int(pick(inputs, "looks", "k", "n_looks")), alpha_of(inputs))
    return {"false_positive_rate": error, "type_i_error": error, "fpr": error}


def repeated_interval(inputs: Case) -> Case:
    bounds = _bounds(inputs)
    z = pick(inputs, "z", "z_statistics", "statistics", "statistic", default=None)
    scores = None if z is None else np.atleast_1d(np.asarray(z, dtype=np.float64))
    effect = np.asarray(pick(inputs, "effect", "diff", "estimate", "estimates", default=scores), dtype=np.float64)
    se = np.asarray(pick(inputs, "se", "standard_error", "standard_errors", default=1.0), dtype=np.float64)
    values, errors = np.broadcast_arrays(np.atleast_1d(effect), np.atleast_1d(se))
    z_now = values / errors if scores is None else scores
    looks = len(values)
    c = bounds.efficacy[-1:] if looks == 1 else bounds.efficacy[:looks]
    times = tuple(bounds.information.tolist())
    kind = str(pick(inputs, "type", "spending", default="LDOF"))
    out = {
        "ci_low": number(values - c * errors),
        "ci_high": number(values + c * errors),
        "repeated_ci_low": number(values - c * errors),
        "repeated_ci_high": number(values + c * errors),
    }
    if bounds.sides == 2 and kind.upper() not in _CLASSICAL:
        spending = _spending(kind, pick(inputs, "gamma", "rho", "parameter", default=None))
        firsts = [times] if looks == 1 else [times[: k + 1] for k in range(looks)]
        tests = [GroupSequentialTest(first, spending) for first in firsts]
        out["repeated_p_value"] = [test._repeated(abs(s)) for test, s in zip(tests, z_now.tolist(), strict=True)]
    return {key: value[0] if looks == 1 else value for key, value in out.items()}


def stagewise(inputs: Case) -> Case:
    stage = pick(inputs, "stage", "stopped_at", "look", default=None)
    full = _bounds(inputs)
    looks = len(full.information) if stage is None else int(stage)
    bounds = Bounds(full.information[:looks], full.efficacy[:looks], full.spent[:looks], full.sides)
    z = np.atleast_1d(pick(inputs, "z", "z_statistic", "z_statistics", "statistic", default=np.nan))[-1]
    se = float(np.atleast_1d(pick(inputs, "se", "standard_error", default=1.0))[-1])
    value = float(np.atleast_1d(pick(inputs, "effect", "diff", "estimate", default=z * se))[-1])
    answer = stopped_estimate(value, se, bounds, 1 - alpha_of(inputs) if "confidence" in inputs else 0.95)
    return {
        "p_value": answer.p_value,
        "final_p_value": answer.p_value,
        "median_unbiased": answer.value,
        "median_unbiased_estimate": answer.value,
        "ci_low": answer.low,
        "ci_high": answer.high,
        "repeated_ci_low": answer.details["repeated_low"],
        "repeated_ci_high": answer.details["repeated_high"],
    }


def linear_model(inputs: Case) -> Case:
    n, g = pick(inputs, "n"), pick(inputs, "g", "precision", "phi", default=1.0)
    d = int(pick(inputs, "d", "coefficients", "df1", default=1))
    df = pick(inputs, "df", "nu", "df2", default=None)
    if df is None:
        df = n - pick(inputs, "number_of_coefficients", "n_coefficients", "p")
    out: Case = {"multiplier": number(linear_model_multiplier(df, n, alpha_of(inputs), g))}
    out["t_radius"] = out["multiplier"]
    if "f" in inputs or "F" in inputs or "f_statistic" in inputs:
        statistic = pick(inputs, "f", "F", "f_statistic")
    else:
        t = pick(inputs, "t", "t_statistic", "statistic", default=None)
        if t is None:
            t = pick(inputs, "estimate", "coefficient") / pick(inputs, "se", "standard_error")
        statistic = np.square(t)
    log_e = linear_model_log_e(statistic, df, n, g, d)
    return out | {
        "log_e": number(log_e),
        "e_value": number(np.exp(log_e)),
        "log_bayes_factor": number(log_e),
        "p_value": number(np.minimum(1.0, np.exp(-log_e))),
        "always_valid_p": number(np.minimum(1.0, np.exp(-log_e))),
    }


def edge_group_sequential(given: Case, required: Case) -> Case:
    """Looks that repeat are one look; information that decreases is refused."""
    try:
        times = distinct_looks(np.asarray(_times(given), dtype=float).tolist())
        bounds = _bounds(given | {"information_rates": list(times)})
    except ValueError:
        return {"raises_or_rejects": True, "status": "error"}
    return group_sequential_bounds(given | {"information_rates": list(times)}) | {
        "raises_or_rejects": False,
        "status": "ok",
        "n_looks": len(times),
        "looks": len(times),
        "first_bound": number(bounds.efficacy)[0],
        "first_bound_infinite": bool(np.isinf(bounds.efficacy[0])),
        "total_alpha": float(bounds.spent[-1]),
    }


BEHAVIOURS = dict.fromkeys(("group sequential", "group-sequential", "group_sequential"), edge_group_sequential)
METHODS: dict[str, Callable[[Case], Case]] = {
    "asymptotic_cs_margin": asymptotic_cs_margin,
    "asymptotic_cs_two_sample": asymptotic_cs_two_sample,
    "always_valid_two_sample": asymptotic_cs_two_sample,
    "normal_mixture_log_eprocess": normal_mixture,
    "normal_mixture_bound": normal_mixture,
    "normal_mixture_boundary": normal_mixture,
    "bernoulli_confidence_sequence": bernoulli_cs,
    "msprt_two_sample_normal": msprt,
    "msprt": msprt,
    "eprocess_two_proportions": eprocess,
    "group_sequential_bounds": group_sequential_bounds,
    "group_sequential_inflation": group_sequential_bounds,
    "group_sequential_power": group_sequential_power,
    "group_sequential_futility": group_sequential_futility,
    "naive_peeking_fpr": naive_peeking,
    "group_sequential_repeated_ci": repeated_interval,
    "repeated_confidence_interval": repeated_interval,
    "repeated_ci": repeated_interval,
    "repeated_p_value": repeated_interval,
    "group_sequential_stagewise": stagewise,
    "group_sequential_final_analysis": stagewise,
    "group_sequential_after_stopping": stagewise,
    "stagewise_ordering": stagewise,
    "stagewise_p_value": stagewise,
    "median_unbiased_estimate": stagewise,
    "anytime_valid_f": linear_model,
    "anytime_valid_t": linear_model,
    "anytime_valid_regression": linear_model,
    "anytime_valid_linear_model": linear_model,
}
