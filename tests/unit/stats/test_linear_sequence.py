import numpy as np

from abkit.stats.linear_sequence import linear_model_log_e, linear_model_multiplier


def test_anytime_valid_t_has_the_evidence_it_claims():
    n = np.array([20.0, 100.0, 5000.0])
    t = linear_model_multiplier(n - 3, n, 0.05, precision=4.0)
    assert np.allclose(linear_model_log_e(t**2, n - 3, n, precision=4.0), np.log(20))
    assert (t > 1.96).all()
    assert np.isinf(linear_model_multiplier(1, 3, 0.001))
