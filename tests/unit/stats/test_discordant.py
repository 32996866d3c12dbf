import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from abkit.stats.discordant import PairedRates

counts = st.integers(0, 60)


@given(counts, counts, counts, counts)
def test_paired_rates_are_symmetric_and_stay_in_range(both, only_c, only_t, neither):
    if both + only_c + only_t + neither == 0:
        return
    pairs, swapped = PairedRates(both, only_c, only_t, neither), PairedRates(both, only_t, only_c, neither)
    assert pairs.difference == -swapped.difference
    assert 0 < pairs.p_value_mid <= pairs.p_value_exact <= 1
    assert pairs.p_value_exact == pytest.approx(swapped.p_value_exact)
    for name in ("wald_interval", "agresti_min_interval", "newcombe_interval"):
        (low, high), (other_low, other_high) = getattr(pairs, name)(), getattr(swapped, name)()
        assert (low, high) == pytest.approx((-other_high, -other_low), abs=1e-12)
        assert -1 - 1e-12 <= low <= high <= 1 + 1e-12


def test_exact_test_is_the_binomial_and_no_discordant_pair_is_no_evidence():
    assert PairedRates(10, 3, 12, 5).p_value_exact == pytest.approx(stats.binomtest(3, 15).pvalue)
    none = PairedRates(10, 0, 0, 5)
    assert (none.p_value_exact, none.p_value_mid, none.p_value_asymptotic(), none.chi_square()) == (1.0, 1.0, 1.0, None)
    huge = PairedRates(0, 4000, 4200, 0)
    assert 0 < huge.p_value_mid < huge.p_value_exact < 0.05
    with pytest.raises(ValueError, match="task"):
        PairedRates(0, 0, 0, 0)


def test_newcombe_interval_of_the_published_example():
    """Newcombe (1998, 17:2635), table III: 36, 12, 2, 0 of 50 give 0.0569 to 0.3404 by method 10."""
    low, high = PairedRates(both=36, only_control=2, only_treatment=12, neither=0).newcombe_interval()
    assert (low, high) == pytest.approx((0.0569, 0.3404), abs=6e-5)
