"""Statistics on numbers and arrays: sufficient statistics in, frozen results out."""

from abkit.stats.adjust import Adjustment, cuped
from abkit.stats.best import BestSet, all_pairs, best_set
from abkit.stats.dunnett import adjusted_p_value, dunnett, dunnett_critical_value, loadings
from abkit.stats.estimand import Effect, Levels, RatioLevel, contrast, delta_method
from abkit.stats.estimate import Estimate, Reason
from abkit.stats.exact import exact_p_value
from abkit.stats.inference import Comparison, StudentTest, Test
from abkit.stats.lift import geometric_lift, mean_lift
from abkit.stats.means import mean_difference, trimmed_difference
from abkit.stats.moments import Moments
from abkit.stats.multiplicity import benjamini_hochberg, benjamini_yekutieli, bonferroni, hochberg, holm, sidak
from abkit.stats.noise import paired_sd, quantile_sd, ratio_sd, trials_sd
from abkit.stats.noninferiority import mean_noninferiority, rate_noninferiority
from abkit.stats.planning import mde, power, required_alpha, sample_size
from abkit.stats.power_analysis import PowerAnalysis
from abkit.stats.power_curve import discordant_power, mean_power, paired_power, rate_power
from abkit.stats.proportion import RateComparison, wilson_interval
from abkit.stats.quantile import outer_probabilities, quantile_density, quantile_level, rows_needed
from abkit.stats.rates import rate, rate_difference, rate_ratio
from abkit.stats.resplit import resplit
from abkit.stats.scenario import Scenario
from abkit.stats.score import difference_interval, difference_score, ratio_interval, ratio_score
from abkit.stats.selection import Exaggeration, best_of, conditional_estimate, effect_spread, exaggeration, shrink
from abkit.stats.sensitivity import detectable_effect, power_at, units_needed
from abkit.stats.sequential import ConfidenceSequence
from abkit.stats.simulated_power import SimulatedPower, simulate_power, simulate_sample_size
from abkit.stats.special_sizes import (
    allocation_efficiency,
    always_valid_inflation,
    best_allocation,
    miller_sample_size,
    power_each,
    rank_sample_size,
    split_sample_size,
)
from abkit.stats.srm import SplitTest, sequential_srm, srm, srm_by_segment
from abkit.stats.summary import Summary, mean_levels, trimmed
from abkit.stats.trend import effect_trend
from abkit.stats.welch import WelchTests, welch_tests

__all__ = [
    "Adjustment",
    "Comparison",
    "ConfidenceSequence",
    "Effect",
    "Levels",
    "Moments",
    "RatioLevel",
    "RateComparison",
    "SplitTest",
    "StudentTest",
    "Test",
    "bonferroni",
    "contrast",
    "cuped",
    "delta_method",
    "holm",
    "detectable_effect",
    "outer_probabilities",
    "power_at",
    "quantile_density",
    "quantile_level",
    "rows_needed",
    "srm",
    "units_needed",
    "wilson_interval",
    "benjamini_hochberg",
    "benjamini_yekutieli",
    "hochberg",
    "sidak",
    "sequential_srm",
    "srm_by_segment",
    "BestSet",
    "all_pairs",
    "best_set",
    "adjusted_p_value",
    "dunnett",
    "dunnett_critical_value",
    "loadings",
    "Estimate",
    "Reason",
    "exact_p_value",
    "geometric_lift",
    "mean_lift",
    "mean_difference",
    "trimmed_difference",
    "paired_sd",
    "quantile_sd",
    "ratio_sd",
    "trials_sd",
    "mean_noninferiority",
    "rate_noninferiority",
    "mde",
    "power",
    "required_alpha",
    "resplit",
    "sample_size",
    "PowerAnalysis",
    "discordant_power",
    "mean_power",
    "paired_power",
    "rate_power",
    "rate",
    "rate_difference",
    "rate_ratio",
    "Scenario",
    "difference_interval",
    "difference_score",
    "ratio_interval",
    "ratio_score",
    "Exaggeration",
    "best_of",
    "conditional_estimate",
    "effect_spread",
    "exaggeration",
    "shrink",
    "SimulatedPower",
    "simulate_power",
    "simulate_sample_size",
    "allocation_efficiency",
    "always_valid_inflation",
    "best_allocation",
    "miller_sample_size",
    "power_each",
    "rank_sample_size",
    "split_sample_size",
    "Summary",
    "mean_levels",
    "trimmed",
    "effect_trend",
    "WelchTests",
    "welch_tests",
]
