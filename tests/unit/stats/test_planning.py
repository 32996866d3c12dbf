import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abkit.stats.planning import mde, power, required_alpha, sample_size

SCENARIOS = st.one_of(
    st.builds(lambda sd, ratio: {"sd": sd, "allocation": ratio}, st.floats(0.1, 10), st.floats(0.2, 5)),
    st.builds(lambda rate: {"rate": rate}, st.floats(0.05, 0.6)),
    st.builds(lambda sd: {"sd": sd, "paired": True}, st.floats(0.1, 10)),
    st.builds(lambda k: {"sd": 1.0, "treatments": k, "correction": "dunnett"}, st.integers(2, 5)),
    st.builds(lambda m, icc: {"sd": 1.0, "rows_per_unit": m, "icc": icc}, st.floats(2, 20), st.floats(0, 0.5)),
    st.builds(lambda s: {"sd": 1.0, "sd_treatment": s, "covariate_correlation": 0.5}, st.floats(0.2, 3)),
    st.just({"rate": 0.3, "discordant": 0.4}),
)


@settings(deadline=None)
@given(SCENARIOS, st.floats(0.02, 0.3), st.floats(0.5, 0.95))
def test_size_power_effect_and_alpha_are_one_relation(scenario, effect, target):
    found = sample_size(effect, power=target, **scenario)
    n = found.n_exact
    if min(n, n * scenario.get("allocation", 1.0)) < 3:  # below two units a plan is raised to two
        return
    assert power(n, effect, **scenario).power == pytest.approx(target, abs=1e-8)
    assert mde(n, power=target, **scenario).effect == pytest.approx(effect, rel=1e-6)
    assert required_alpha(n, effect, power=target, **scenario).alpha == pytest.approx(0.05, rel=1e-4)
    assert found.power >= target - 1e-9
    assert power(max(n - 1, 2), effect, **scenario).power <= target + 1e-9


@pytest.mark.parametrize(("effect", "target"), [(0.5, 0.8), (1.0, 0.9), (0.05, 0.5)])
def test_means_agree_with_statsmodels(effect, target):
    from statsmodels.stats.power import TTestIndPower

    wanted = TTestIndPower().solve_power(effect, None, 0.05, target)
    assert sample_size(effect, power=target, sd=1.0).n_exact == pytest.approx(wanted, rel=1e-6)


def test_batch_equals_loop():
    effects, sds = np.array([[0.1], [0.3]]), np.array([1.0, 2.0, 5.0])
    batch = sample_size(effects, sd=sds)
    assert batch.n_control.shape == (2, 3)
    for i, effect in enumerate(effects[:, 0]):
        for j, sd in enumerate(sds):
            assert batch.n_control[i, j] == sample_size(effect, sd=sd).n_control


def test_lift_is_relative_to_the_control_level():
    assert sample_size(lift=0.25, rate=0.2).n_control == sample_size(0.05, rate=0.2).n_control == 1094
    assert sample_size(lift=0.03, mean=10, sd=5).effect == pytest.approx(0.3)
    assert mde(4000, mean=10, sd=5).lift == pytest.approx(0.0313263983)


def test_allocation_and_variants_add_up():
    found = sample_size(0.3, sd=1.0, treatments=3, allocation=0.5)
    assert found.n_total == found.n_control + 3 * found.n_treatment
    assert found.n_treatment == -(-found.n_control // 2)


def test_covariate_and_rows_change_the_noise_as_the_formulas_say():
    plain = sample_size(0.01, sd=1.0).n_exact
    assert sample_size(0.01, sd=1.0, covariate_correlation=0.7).n_exact == pytest.approx(0.51 * plain, rel=1e-4)
    rows = sample_size(0.01, sd=1.0, rows_per_unit=5, icc=0.2, rows_cv=0.5).n_exact
    assert rows == pytest.approx(plain * (1 + (1.25 * 5 - 1) * 0.2) / 5, rel=1e-4)
    assert sample_size(0.01, sd=1.0, inflation=1.2).n_exact == pytest.approx(1.2 * plain, rel=1e-4)


def test_more_rows_per_unit_have_a_floor():
    plain = sample_size(0.01, sd=1.0).n_exact
    assert sample_size(0.01, sd=1.0, rows_per_unit=1e6, icc=0.2).n_exact == pytest.approx(0.2 * plain, rel=1e-3)


def test_noninferiority_plans():
    assert sample_size(sd=10, margin=5, alpha=0.05).n_control == 51  # 50 by the normal formula
    worse = sample_size(-2, sd=10, margin=5, alpha=0.05).n_exact
    assert worse == pytest.approx(sample_size(sd=10, margin=3, alpha=0.05).n_exact)
    assert sample_size(2, sd=10, margin=5, alpha=0.05, goal="minimize").n_exact == pytest.approx(worse)
    falling = sample_size(rate=0.2, margin=0.05, alpha=0.025, goal="minimize")
    mirrored = sample_size(rate=0.8, margin=0.05, alpha=0.025, goal="maximize")
    assert falling.n_exact == pytest.approx(mirrored.n_exact)


def test_dunnett_needs_fewer_than_bonferroni():
    options = {"sd": 1.0, "treatments": 4}
    sizes = [sample_size(0.2, correction=c, **options).n_control for c in ("none", "dunnett", "bonferroni")]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 3


def test_two_units_are_the_fewest_and_it_says_so():
    found = sample_size(10.0, sd=1.0)
    assert found.n_control == 2
    assert "fewest" in repr(found)
    assert found.power > 0.8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"effect": 0.0, "sd": 1.0}, "infinitely many"),
        ({"effect": 0.5}, "rate= .* or sd="),
        ({"effect": 0.5, "sd": 1.0, "rate": 0.5}, "rate= .* or sd="),
        ({"sd": 1.0}, "effect= or lift="),
        ({"effect": 0.1, "lift": 0.1, "sd": 1.0}, "not both"),
        ({"lift": 0.1, "sd": 1.0}, "control level"),
        ({"lift": 0.1, "sd": 1.0, "mean": -2.0}, "control level"),
        ({"effect": 0.5, "rate": 0.6}, "treatment rate"),
        ({"effect": 0.5, "sd": 1.0, "alpha": 1.5}, "alpha"),
        ({"effect": 0.5, "sd": 1.0, "power": 0.04}, "above alpha"),
        ({"effect": 0.5, "sd": 1.0, "power": 1.0}, "power must be in"),
        ({"effect": 0.5, "sd": 0.0}, "sd must be in"),
        ({"effect": -0.5, "sd": 1.0, "alternative": "greater"}, "does not test"),
        ({"effect": float("nan"), "sd": 1.0}, "finite"),
        ({"effect": 1e-9, "sd": 1.0}, "too small"),
        ({"effect": -5.0, "sd": 1.0, "margin": 5.0}, "beyond the margin"),
        ({"effect": 0.5, "sd": 1.0, "rows_per_unit": 10, "icc": -0.5}, "cannot exist"),
        ({"effect": 0.5, "sd": 1.0, "treatments": 0}, "at least one treatment"),
        ({"effect": 0.5, "sd": 1.0, "correction": "tukey"}, "correction"),
        ({"effect": 0.5, "sd": 1.0, "alternative": "both"}, "alternative"),
        ({"effect": 0.2, "rate": 0.5, "discordant": 0.1}, "discordant"),
        ({"effect": 0.2, "sd": 1.0, "discordant": 0.1}, "proportion"),
        ({"effect": 0.2, "rate": 0.5, "paired": True}, "discordant"),
        ({"effect": 0.2, "sd": 1.0, "paired": True, "treatments": 2}, "two variants"),
    ],
)
def test_impossible_requests_say_why(options, message):
    with pytest.raises(ValueError, match=message):
        sample_size(**options)


def test_sizes_that_show_no_effect_say_so():
    with pytest.raises(ValueError, match="more units"):
        mde(3, rate=0.5)
    with pytest.raises(ValueError, match="at least two units"):
        power(1, 0.5, sd=1.0)
    with pytest.raises(ValueError, match="margin"):
        mde(100, sd=1.0, margin=0.5)
    with pytest.raises(ValueError, match="no alpha"):
        required_alpha(10**6, 5.0, sd=1.0)


def test_decrease_of_a_rate_has_its_own_size():
    down = mde(500, rate=0.2, alternative="less")
    assert down.effect < 0
    assert power(500, down.effect, rate=0.2, alternative="less").power == pytest.approx(0.8)


def test_renders_one_row_per_scenario_and_tells_how_many_it_left_out():
    found = sample_size(np.linspace(0.1, 0.5, 50), sd=1.0)
    assert len(found.rows()) == 50
    assert len(repr(found).splitlines()) == 10
    assert "... 43 more lines" in repr(found)
    assert found._repr_html_().count("<tr>") == 51
    assert "The first 100 of 200 scenarios" in repr(sample_size(np.linspace(0.1, 0.5, 200), sd=1.0))
