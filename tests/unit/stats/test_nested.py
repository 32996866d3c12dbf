import numpy as np
import pytest

from abkit.stats.nested import variance_components


def test_three_levels_come_apart():
    rng = np.random.default_rng(5)
    users, tasks = 1500, 4
    runs = rng.integers(2, 5, users * tasks)
    task = np.repeat(np.arange(users * tasks), runs)
    y = (
        rng.normal(0, 1.0, users)[task // tasks]
        + rng.normal(0, 0.7, users * tasks)[task]
        + rng.normal(0, 1.5, len(task))
    )
    parts = variance_components(y, task // tasks, task % tasks)
    assert (parts.between_users, parts.between_tasks, parts.between_runs) == pytest.approx((1.0, 0.49, 2.25), rel=0.12)
    assert (parts.users, parts.tasks, parts.runs) == (users, users * tasks, len(task))
    assert parts.effective_runs == pytest.approx(parts.runs / parts.design_effect)
    with pytest.raises(ValueError, match="two users"):
        variance_components([1.0, 2.0], [0, 1], [0, 1])
