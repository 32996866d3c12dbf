"""Statistics on numbers and arrays: sufficient statistics in, frozen results out."""

from abkit.stats.adjust import Adjustment, cuped
from abkit.stats.bayes import FLAT_PRIOR, LIFT_PRIOR, BayesEstimate, BetaPrior, NormalPrior, normal_normal
from abkit.stats.best import BestSet, all_pairs, best_set
from abkit.stats.beta_binomial import BestRate, best_rate, beta_binomial
from abkit.stats.boundary import distinct_looks, efficacy_bounds, exit_probabilities
from abkit.stats.cluster import (
    IntraclassCorrelation,
    clustered_difference,
    clustered_mean,
    design_effect,
    intraclass_correlation,
)
from abkit.stats.covariates import cuped_difference, impute_missing, quantile_linearised, regression_difference
from abkit.stats.discordant import PairedRates
from abkit.stats.dunnett import adjusted_p_value, dunnett, dunnett_critical_value, loadings
from abkit.stats.eprocess import (
    always_valid_p,
    bernoulli_log_e,
    bernoulli_sequence,
    effect_log_e,
    mixture_precision,
    mixture_sprt,
    normal_mixture_bound,
    normal_mixture_log_e,
    two_proportion_log_e,
)
from abkit.stats.estimand import Effect, Levels, RatioLevel, contrast, delta_method
from abkit.stats.estimate import Estimate, Reason
from abkit.stats.exact import exact_p_value
from abkit.stats.futility import FutilityDesign, futility_design
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
from abkit.stats.inference import Comparison, StudentTest, Test
from abkit.stats.interaction import Interaction, interaction_test
from abkit.stats.least_squares import Regression, clustered_regression, regression
from abkit.stats.lift import geometric_lift, mean_lift
from abkit.stats.linear_sequence import linear_model_log_e, linear_model_multiplier
from abkit.stats.means import mean_difference, trimmed_difference
from abkit.stats.median import median_difference, median_ratio, median_se
from abkit.stats.moments import Moments
from abkit.stats.multiplicity import benjamini_hochberg, benjamini_yekutieli, bonferroni, hochberg, holm, sidak
from abkit.stats.nested import VarianceComponents, variance_components
from abkit.stats.noise import paired_sd, quantile_sd, ratio_sd, trials_sd
from abkit.stats.noninferiority import mean_noninferiority, rate_noninferiority
from abkit.stats.paired import (
    paired_clustered_difference,
    paired_difference,
    paired_grouped_difference,
    sign_flip_test,
    signed_rank_test,
    task_differences,
)
from abkit.stats.pass_rate import pass_at_k, pass_hat_k, pass_rate, pass_rate_difference
from abkit.stats.planning import mde, power, required_alpha, sample_size
from abkit.stats.power_analysis import PowerAnalysis
from abkit.stats.power_curve import discordant_power, mean_power, paired_power, rate_power
from abkit.stats.proportion import RateComparison, wilson_interval
from abkit.stats.quantile import (
    outer_probabilities,
    quantile_density,
    quantile_level,
    quantile_probabilities,
    rows_needed,
)
from abkit.stats.quantile_bootstrap import binomial_bootstrap, binomial_bootstrap_difference, cluster_quantile_bootstrap
from abkit.stats.quantile_interval import (
    OrderStatisticRanks,
    order_statistic_ranks,
    quantile_contrast,
    quantile_difference,
    quantile_interval,
    quantile_se,
    rows_for_interval,
    sample_quantile,
)
from abkit.stats.rank import RankSum, brunner_munzel, brunner_munzel_permutation, mann_whitney
from abkit.stats.rates import rate, rate_difference, rate_ratio
from abkit.stats.ratio import ratio_difference, ratio_linearised
from abkit.stats.resample import bootstrap_difference, cluster_bootstrap, permutation_test, poisson_bootstrap
from abkit.stats.resplit import resplit
from abkit.stats.scenario import Scenario
from abkit.stats.score import difference_interval, difference_score, ratio_interval, ratio_score
from abkit.stats.selection import Exaggeration, best_of, conditional_estimate, effect_spread, exaggeration, shrink
from abkit.stats.sensitivity import detectable_effect, power_at, units_needed
from abkit.stats.sequential import ConfidenceSequence, mixture_variance, sequence_margin, sequence_p_value
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
from abkit.stats.spending import Spending
from abkit.stats.srm import SplitTest, equal_shares, sequential_srm, srm, srm_by_segment
from abkit.stats.stopping import GroupSequentialTest, stopped_estimate
from abkit.stats.stratify import post_stratified_difference
from abkit.stats.summary import Summary, mean_levels, trimmed
from abkit.stats.trend import effect_trend, tenure_trend
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
    "quantile_probabilities",
    "rows_needed",
    "srm",
    "units_needed",
    "wilson_interval",
    "FLAT_PRIOR",
    "LIFT_PRIOR",
    "BayesEstimate",
    "BetaPrior",
    "NormalPrior",
    "normal_normal",
    "BestRate",
    "best_rate",
    "beta_binomial",
    "distinct_looks",
    "efficacy_bounds",
    "equal_shares",
    "exit_probabilities",
    "IntraclassCorrelation",
    "clustered_difference",
    "clustered_mean",
    "design_effect",
    "intraclass_correlation",
    "cuped_difference",
    "impute_missing",
    "quantile_linearised",
    "regression_difference",
    "PairedRates",
    "always_valid_p",
    "bernoulli_log_e",
    "bernoulli_sequence",
    "effect_log_e",
    "mixture_precision",
    "mixture_sprt",
    "normal_mixture_bound",
    "normal_mixture_log_e",
    "two_proportion_log_e",
    "Estimate",
    "Reason",
    "FutilityDesign",
    "futility_design",
    "Bounds",
    "drift_for_power",
    "expected_information",
    "inflation",
    "peeking_error",
    "rejection_probability",
    "spending_bounds",
    "wang_tsiatis_bounds",
    "Regression",
    "clustered_regression",
    "regression",
    "linear_model_log_e",
    "linear_model_multiplier",
    "median_difference",
    "median_ratio",
    "median_se",
    "VarianceComponents",
    "variance_components",
    "paired_clustered_difference",
    "paired_difference",
    "paired_grouped_difference",
    "sign_flip_test",
    "signed_rank_test",
    "task_differences",
    "pass_at_k",
    "pass_hat_k",
    "pass_rate",
    "pass_rate_difference",
    "binomial_bootstrap",
    "binomial_bootstrap_difference",
    "cluster_quantile_bootstrap",
    "OrderStatisticRanks",
    "order_statistic_ranks",
    "quantile_contrast",
    "quantile_difference",
    "quantile_interval",
    "quantile_se",
    "rows_for_interval",
    "sample_quantile",
    "RankSum",
    "brunner_munzel",
    "brunner_munzel_permutation",
    "mann_whitney",
    "ratio_difference",
    "ratio_linearised",
    "bootstrap_difference",
    "cluster_bootstrap",
    "permutation_test",
    "poisson_bootstrap",
    "Spending",
    "GroupSequentialTest",
    "stopped_estimate",
    "post_stratified_difference",
    "mixture_variance",
    "sequence_margin",
    "sequence_p_value",
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
    "tenure_trend",
    "Interaction",
    "interaction_test",
    "WelchTests",
    "welch_tests",
]
