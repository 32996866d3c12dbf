import numpy as np
import pytest

from abkit.stats.boundary import exit_probabilities
from abkit.stats.futility import futility_design
from abkit.stats.spending import Spending


@pytest.mark.parametrize("binding", [False, True])
@pytest.mark.parametrize("spending", [Spending(), Spending("hwang_shih_decani", -2.0)])
def test_both_errors_are_spent(binding, spending):
    design = futility_design([0.3, 0.6, 1.0], 0.025, 0.1, spending, Spending("power", 2.0), binding)
    below, above = design.crossing(design.drift)
    assert above.sum() == pytest.approx(0.9, abs=1e-6)
    assert below.sum() == pytest.approx(0.1, abs=1e-6)
    assert design.futility[-1] == design.efficacy[-1]
    low = design.futility if binding else np.full(3, -np.inf)
    assert exit_probabilities(design.information, low, design.efficacy)[1].sum() == pytest.approx(0.025, abs=1e-7)


def test_non_binding_bounds_keep_the_error_when_ignored_and_binding_ones_are_lower():
    loose, strict = (futility_design([0.5, 1.0], binding=binding) for binding in (False, True))
    assert strict.efficacy[-1] < loose.efficacy[-1]
    assert loose.crossing(0.0)[1].sum() < 0.025


def test_impossible_plans_are_errors():
    with pytest.raises(ValueError, match="last share"):
        futility_design([0.5, 0.9])
    with pytest.raises(ValueError, match="alpha"):
        futility_design([0.5, 1.0], 0.5, 0.6)
