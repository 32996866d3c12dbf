import numpy as np
import pytest
from statsmodels.stats.oneway import anova_oneway

from abkit.errors import ParameterError
from abkit.stats import effect_trend, interaction_test


def test_of_means_it_is_welchs_anova() -> None:
    rng = np.random.default_rng(1)
    groups = [rng.normal(0, sd, n) for sd, n in ((1, 12), (2, 20), (3, 9), (1.5, 30))]
    expected = anova_oneway(groups, use_var="unequal")
    ses = [group.std(ddof=1) / np.sqrt(group.size) for group in groups]
    found = interaction_test([group.mean() for group in groups], ses, [group.size - 1 for group in groups])
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-12)
    assert found.df_error == pytest.approx(expected.df_denom, rel=1e-12)


def test_with_known_errors_it_is_cochrans_q() -> None:
    values, ses = [0.3, -0.1, 0.9, 0.2], [0.2, 0.1, 0.4, 0.3]
    _, spread = effect_trend([0, 1, 2, 3], values, ses)
    found = interaction_test(values, ses)
    assert found.p_value == pytest.approx(spread.p_value, rel=1e-12)
    assert found.df_error is None
    assert found.i_squared == pytest.approx(max(0, 1 - 3 / found.statistic))


def test_its_level_holds_where_chi_square_does_not() -> None:
    """Twenty segments of ten units a side: Q against chi-square alarms in about 12 % of them."""
    rng = np.random.default_rng(7)
    runs, k, n = 1500, 20, 10
    a, b = rng.normal(0, 1, (2, runs, k, n))
    va, vb = a.var(axis=-1, ddof=1) / n, b.var(axis=-1, ddof=1) / n
    df = (va + vb) ** 2 * (n - 1) / (va**2 + vb**2)
    difference = b.mean(axis=-1) - a.mean(axis=-1)
    tests = [
        (interaction_test(d, s, f), interaction_test(d, s))
        for d, s, f in zip(difference, np.sqrt(va + vb), df, strict=True)
    ]
    welch, chi = (np.mean([one.p_value <= 0.05 for one in found]) for found in zip(*tests, strict=True))
    assert 0.035 <= welch <= 0.065
    assert chi > 0.09


@pytest.mark.parametrize(("values", "ses"), [([1.0], [1.0]), ([1.0, 2.0], [1.0, 0.0]), ([1.0, np.nan], [1.0, 1.0])])
def test_what_cannot_be_compared_is_refused(values: list[float], ses: list[float]) -> None:
    with pytest.raises(ParameterError):
        interaction_test(values, ses)
