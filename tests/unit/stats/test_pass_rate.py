import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abkit.stats.pass_rate import pass_at_k, pass_hat_k, pass_rate, pass_rate_difference


@given(st.integers(1, 12), st.data())
def test_pass_rates_are_unbiased_by_enumeration(n, data):
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    from itertools import combinations

    outcomes = [1] * c + [0] * (n - c)
    drawn = [[outcomes[i] for i in chosen] for chosen in combinations(range(n), k)]
    assert float(pass_at_k(n, c, k)) == pytest.approx(np.mean([any(d) for d in drawn]))
    assert float(pass_hat_k(n, c, k)) == pytest.approx(np.mean([all(d) for d in drawn]))


def test_pass_rate_interval_is_between_tasks_and_differences_are_paired():
    n, c, t = [8] * 30, np.arange(30) % 9, (np.arange(30) + 1) % 9
    answer = pass_rate(n, c, k=3)
    per_task = pass_at_k(n, c, 3)
    assert answer.se == pytest.approx(per_task.std(ddof=1) / np.sqrt(30))
    assert 0 <= answer.low <= answer.value <= answer.high <= 1
    gap = pass_rate_difference(n, c, n, t, 3, every=True)
    assert gap.value == pytest.approx(float(np.mean(pass_hat_k(n, t, 3) - pass_hat_k(n, c, 3))))
    with pytest.raises(ValueError, match="at least k"):
        pass_at_k(2, 1, 3)
