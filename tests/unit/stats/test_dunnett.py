import numpy as np
import pytest
from scipy import stats

from abkit.stats.dunnett import adjusted_p_value, dunnett, dunnett_critical_value, dunnett_probability, loadings
from abkit.stats.estimate import Reason

RNG = np.random.default_rng(5)


@pytest.mark.parametrize(
    ("k", "df", "sides", "value"),
    [
        (2, 20, "two-sided", 2.378689980182315),
        (3, np.inf, "two-sided", 2.3489705903414553),
        (4, 20, "greater", 2.304427589174005),
    ],
)
def test_published_critical_values(k, df, sides, value):
    assert dunnett_critical_value([0.5**0.5] * k, df=df, alternative=sides) == pytest.approx(value, abs=1e-8)


@pytest.mark.parametrize("df", [2, 10, np.inf])
@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.5])
def test_one_variant_is_the_plain_t(df, alpha):
    assert dunnett_critical_value([0.7], df=df, alpha=alpha) == pytest.approx(stats.t.ppf(1 - alpha / 2, df))


@pytest.mark.parametrize("df", [3, 30, np.inf])
def test_independent_variants_have_the_product_probability(df):
    if np.isinf(df):
        assert dunnett_probability(2.0, [0.0] * 4) == pytest.approx((1 - 2 * stats.norm.sf(2)) ** 4, abs=1e-10)
    assert dunnett_probability(2.0, [0.0], df) == pytest.approx(1 - 2 * stats.t.sf(2, df), abs=1e-9)


def test_unequal_sizes_against_simulation():
    sizes, n_control, df = [10, 40, 80], 60, 25
    load = loadings(sizes, n_control)
    shared = RNG.normal(size=(400_000, 1))
    own = RNG.normal(size=(400_000, 3))
    t = (load * shared + np.sqrt(1 - load**2) * own) / np.sqrt(RNG.chisquare(df, (400_000, 1)) / df)
    for bound, side in ((2.2, "two-sided"), (2.0, "greater")):
        largest = np.abs(t).max(axis=1) if side == "two-sided" else t.max(axis=1)
        assert dunnett_probability(bound, load, df, side) == pytest.approx((largest <= bound).mean(), abs=0.002)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_agrees_with_scipy(alternative):
    control, others = RNG.normal(0, 1, 12), [RNG.normal(m, 1, n) for m, n in ((0.5, 8), (1.0, 20), (-0.2, 15))]
    wanted = stats.dunnett(*others, control=control, alternative=alternative, random_state=1)
    interval = wanted.confidence_interval(0.95)
    got = dunnett(others, control, alternative=alternative)
    assert [answer.statistic for answer in got] == pytest.approx(wanted.statistic)
    assert [answer.p_value for answer in got] == pytest.approx(wanted.pvalue, abs=2e-3)
    if alternative != "less":
        assert [answer.low for answer in got] == pytest.approx(interval.low, abs=2e-2)


def test_interval_and_adjusted_p_value_tell_the_same():
    for shift in np.linspace(0, 2, 21):
        answers = dunnett(
            [[0.0 + shift, 1.0 + shift, 2.0 + shift, 3.0], [1.0, 2.0, 2.5, 0.5]], [0.0, 1.0, 2.0, 3.0, 1.0]
        )
        for answer in answers:
            assert (answer.low > 0 or answer.high < 0) == (answer.p_value < 0.05)


def test_lies_between_uncorrected_and_bonferroni():
    for k in (2, 5, 20):
        critical = dunnett_critical_value([0.5**0.5] * k, df=30)
        assert stats.t.ppf(0.975, 30) < critical < stats.t.ppf(1 - 0.025 / k, 30)


def test_tiny_alpha_falls_back_to_bonferroni():
    assert dunnett_critical_value([0.5] * 3, alpha=1e-12) == pytest.approx(stats.norm.isf(1e-12 / 6))


def test_adjusted_p_value_of_nothing_is_one():
    assert adjusted_p_value(0.0, [0.5, 0.5]) == pytest.approx(1.0)


def test_what_cannot_be_tested_has_a_reason():
    assert [a.reason for a in dunnett([[1.0, 1.0]], [2.0, 2.0])] == [Reason.ZERO_VARIANCE]
    assert [a.reason for a in dunnett([[]], [2.0, 3.0])] == [Reason.TOO_FEW_UNITS]


@pytest.mark.parametrize(("load", "options"), [([], {}), ([1.0], {}), ([0.5], {"alpha": 1.5}), ([0.5], {"df": 0})])
def test_impossible_requests_are_refused(load, options):
    with pytest.raises(ValueError, match=r"loadings|alpha"):
        dunnett_critical_value(load, **options)
