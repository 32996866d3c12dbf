import numpy as np
import pytest
from scipy import stats

from abkit.stats.best import all_pairs, best_set
from abkit.stats.dunnett import dunnett_critical_value
from abkit.stats.estimate import Reason

RNG = np.random.default_rng(9)


def test_tukey_agrees_with_scipy():
    samples = [RNG.normal(m, 1, n) for m, n in ((0, 10), (0.5, 14), (1.2, 9))]
    wanted = stats.tukey_hsd(*samples)
    for (i, j), got in all_pairs(samples, method="tukey-kramer").items():
        assert got.p_value == pytest.approx(wanted.pvalue[i, j], rel=1e-6)
        assert got.value == pytest.approx(-wanted.statistic[i, j])


def test_games_howell_with_two_samples_is_welch():
    samples = [RNG.normal(0, 1, 10), RNG.normal(1, 3, 25)]
    (got,) = all_pairs(samples).values()
    assert got.p_value == pytest.approx(stats.ttest_ind(*samples, equal_var=False).pvalue, rel=1e-5)


def test_pairs_without_variance_have_a_reason():
    answers = all_pairs([[1.0, 1.0], [2.0, 2.0], [1.0, 2.0, 4.0]])
    assert answers[0, 1].reason is Reason.ZERO_VARIANCE
    assert answers[0, 2].p_value is not None
    with pytest.raises(ValueError, match="method"):
        all_pairs([[1.0, 2.0], [1.0, 3.0]], method="scheffe")


def test_two_variants_are_one_one_sided_comparison_each():
    found = best_set([1.0, 0.0], [0.3, 0.4], df=50)
    critical = dunnett_critical_value([0.6], df=50, alternative="greater")
    assert found.high == pytest.approx([1.0 + critical * 0.5, max(0.0, -1.0 + critical * 0.5)])


def test_lower_bounds_are_against_those_that_may_be_best():
    found = best_set([10.0, 0.0, 9.9], [0.1, 0.1, 0.1])
    assert found.may_be_best.tolist() == [True, False, True]
    assert found.low[1] < -9
    assert found.high[1] == 0
    alone = best_set([10.0, 0.0], [0.1, 0.1])
    assert alone.low[0] == 0


def test_minimize_is_maximize_of_the_negative():
    values, ses = [3.0, 1.0, 1.1], [0.2, 0.3, 0.4]
    up, down = best_set(np.negative(values), ses), best_set(values, ses, goal="minimize")
    assert (up.may_be_best == down.may_be_best).all()
    assert up.low == pytest.approx(down.low)


def test_tied_set_holds_the_best_at_its_level():
    """4,000 experiments with four variants of unequal errors, two of them best together with a third close behind."""
    true, ses = np.array([1.0, 1.0, 0.9, 0.0]), np.array([0.2, 0.4, 0.3, 0.2])
    draws = RNG.normal(true, ses, size=(1500, 4))
    missed = sum(not best_set(draw, ses, level=0.9).may_be_best[0] for draw in draws)
    assert missed / len(draws) <= 0.1 + 3 * np.sqrt(0.09 / len(draws))


@pytest.mark.parametrize(("value", "se"), [([1.0], [1.0]), ([1.0, 2.0], [1.0, 0.0]), ([1.0, np.nan], [1.0, 1.0])])
def test_impossible_requests_are_refused(value, se):
    with pytest.raises(ValueError, match=r"variants|finite"):
        best_set(value, se)


def test_shows_who_may_be_best():
    assert "may be best" in repr(best_set([1.0, 0.0], [0.3, 0.4]))
