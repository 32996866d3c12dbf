"""Statistics on numbers and arrays: sufficient statistics in, frozen results out."""

from abkit.stats.adjust import Adjustment, cuped
from abkit.stats.estimand import Effect, Levels, RatioLevel, contrast, delta_method
from abkit.stats.inference import Comparison, StudentTest, Test
from abkit.stats.moments import Moments
from abkit.stats.multiplicity import bonferroni, holm
from abkit.stats.proportion import RateComparison, wilson_interval
from abkit.stats.quantile import outer_probabilities, quantile_density, quantile_level, rows_needed
from abkit.stats.sensitivity import detectable_effect, power_at, units_needed
from abkit.stats.sequential import ConfidenceSequence
from abkit.stats.srm import SplitTest, srm

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
]
