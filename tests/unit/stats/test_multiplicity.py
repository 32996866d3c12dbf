import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abkit.stats.multiplicity import benjamini_hochberg, benjamini_yekutieli, bonferroni, hochberg, holm, sidak

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=20)
ALL = {
    "bonferroni": bonferroni,
    "sidak": sidak,
    "holm": holm,
    "simes-hochberg": hochberg,
    "fdr_bh": benjamini_hochberg,
    "fdr_by": benjamini_yekutieli,
}


@settings(deadline=None)
@given(P_VALUES)
def test_agree_with_statsmodels(p_values):
    from statsmodels.stats.multitest import multipletests

    for name, adjust in ALL.items():
        if name == "sidak" and max(p_values) == 1:
            continue  # statsmodels divides by zero there
        assert adjust(p_values) == pytest.approx(multipletests(p_values, method=name)[1], rel=1e-9, abs=1e-12)


@given(P_VALUES)
def test_undefined_p_values_leave_the_family(p_values):
    for adjust in ALL.values():
        with_gap = adjust([*p_values, math.nan])
        assert np.isnan(with_gap[-1])
        assert with_gap[:-1] == pytest.approx(adjust(p_values))


@given(P_VALUES)
def test_order_of_strictness(p_values):
    assert (holm(p_values) <= bonferroni(p_values) + 1e-12).all()
    assert (hochberg(p_values) <= holm(p_values) + 1e-12).all()
    assert (benjamini_hochberg(p_values) <= hochberg(p_values) + 1e-12).all()
    for adjust in ALL.values():
        assert ((adjust(p_values) >= np.array(p_values) - 1e-12) & (adjust(p_values) <= 1)).all()


@given(st.permutations([0.001, 0.02, 0.03, 0.5]))
def test_order_given_does_not_matter(p_values):
    for adjust in ALL.values():
        straight = dict(zip([0.001, 0.02, 0.03, 0.5], adjust([0.001, 0.02, 0.03, 0.5]), strict=True))
        assert adjust(p_values) == pytest.approx([straight[p] for p in p_values])


def test_empty_and_impossible_families():
    for adjust in ALL.values():
        assert adjust([]).size == 0
        with pytest.raises(ValueError, match=r"\[0, 1\]"):
            adjust([0.5, 1.5])
