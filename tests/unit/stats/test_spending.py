import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abkit.stats.boundary import efficacy_bounds
from abkit.stats.spending import Spending

FAMILIES = [Spending(), Spending("pocock"), Spending("hwang_shih_decani", -4.0), Spending("power", 3.0)]


@settings(max_examples=20, deadline=None)
@given(st.floats(0.05, 0.95), st.floats(0.001, 0.3))
def test_spending_functions_start_at_nothing_and_end_at_alpha(t, alpha):
    for spending in FAMILIES:
        assert float(spending(1.0, alpha)) == pytest.approx(alpha)
        assert 0 <= float(spending(t * 0.9, alpha)) <= float(spending(t, alpha)) <= alpha
        assert float(spending(0.0, alpha)) == 0.0


def test_spending_refuses_what_it_does_not_know():
    with pytest.raises(ValueError, match="family"):
        Spending("bonferroni")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="positive"):
        Spending("power", 0.0)
    assert efficacy_bounds([1.0], [0.05]).tolist() == pytest.approx([1.959964], abs=1e-6)
