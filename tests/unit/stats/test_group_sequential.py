import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abkit.stats.boundary import distinct_looks
from abkit.stats.group_sequential import (
    drift_for_power,
    expected_information,
    inflation,
    peeking_error,
    rejection_probability,
    spending_bounds,
    wang_tsiatis_bounds,
)
from abkit.stats.spending import Spending

FAMILIES = [Spending(), Spending("pocock"), Spending("hwang_shih_decani", -4.0), Spending("power", 3.0)]


@st.composite
def looks(draw):
    gaps = draw(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=8))
    times = np.cumsum(gaps)
    return times / times[-1]


@settings(max_examples=40, deadline=None)
@given(looks(), st.sampled_from(FAMILIES), st.sampled_from([0.01, 0.05, 0.2]), st.sampled_from([1, 2]))
def test_bounds_spend_exactly_alpha(times, spending, alpha, sides):
    bounds = spending_bounds(times, alpha, sides, spending)
    reached = rejection_probability(bounds, 0.0)
    spendable = np.diff(bounds.spent, prepend=0) > 1e-12
    assert reached[-1] == pytest.approx(alpha, abs=1e-9)
    assert np.allclose(reached[spendable], bounds.spent[spendable], atol=1e-9)


def test_bounds_agree_with_simulation_at_uneven_looks():
    times = np.array([0.1, 0.15, 0.7, 0.72, 1.0])
    bounds = spending_bounds(times, 0.1, spending=Spending("power", 1.0))
    rng = np.random.default_rng(11)
    steps = rng.normal(0, np.sqrt(np.diff(times, prepend=0)), (200_000, 5))
    z = np.cumsum(steps, axis=1) / np.sqrt(times)
    crossed = np.maximum.accumulate(np.abs(z) > bounds.efficacy, axis=1).mean(axis=0)
    assert np.allclose(crossed, bounds.spent, atol=4 * np.sqrt(0.1 * 0.9 / 200_000))


def test_what_was_seen_before_does_not_change_when_looks_are_added():
    early = spending_bounds([0.2, 0.5]).efficacy
    late = spending_bounds([0.2, 0.5, 0.9, 1.0]).efficacy
    assert np.allclose(early, late[:2], atol=1e-12)


def test_over_running_spends_what_is_left_and_nothing_after():
    bounds = spending_bounds([0.5, 1.1, 1.3])
    assert bounds.spent.tolist() == pytest.approx([Spending()(0.5, 0.025) * 2, 0.05, 0.05])
    assert np.isfinite(bounds.efficacy[1])
    assert np.isinf(bounds.efficacy[2])


def test_final_look_below_the_plan_spends_what_is_left():
    assert spending_bounds([0.5, 0.8], final=True).spent[-1] == 0.05
    assert spending_bounds([0.5, 0.8]).spent[-1] < 0.05


def test_information_that_decreases_is_an_error():
    with pytest.raises(ValueError, match="increases"):
        spending_bounds([0.5, 0.4])
    with pytest.raises(ValueError, match="decreases"):
        distinct_looks([0.5, 0.4])


@pytest.mark.parametrize(
    ("looks_", "shape", "constant"),
    [
        (2, 0.5, 2.178),
        (5, 0.5, 2.413),
        (10, 0.5, 2.555),
        (2, 0.0, 1.977),
        (5, 0.0, 2.040),
        (10, 0.0, 2.087),
        (5, 0.25, 2.136),
    ],
)
def test_classical_constants_of_jennison_and_turnbull(looks_, shape, constant):
    bounds = wang_tsiatis_bounds(np.arange(1, looks_ + 1) / looks_, shape=shape)
    assert bounds.efficacy[-1] == pytest.approx(constant, abs=0.0006)


def test_inflation_and_power_belong_together():
    bounds = spending_bounds(np.arange(1, 6) / 5)
    drift = drift_for_power(bounds, 0.9)
    assert rejection_probability(bounds, drift)[-1] == pytest.approx(0.9, abs=1e-9)
    assert inflation(bounds, 0.9) > 1
    assert inflation(spending_bounds([1.0]), 0.9) == pytest.approx(1.0, abs=1e-4)
    assert expected_information(bounds, drift) < 1 < inflation(bounds, 0.9)


def test_power_that_cannot_be_is_an_error():
    with pytest.raises(ValueError, match="between the error"):
        drift_for_power(spending_bounds([1.0]), 0.04)


@pytest.mark.parametrize(("looks_", "rate"), [(1, 0.05), (2, 0.083), (5, 0.142), (10, 0.193), (50, 0.320)])
def test_peeking_errors_of_armitage_mcpherson_rowe(looks_, rate):
    assert peeking_error(looks_) == pytest.approx(rate, abs=0.0006)
