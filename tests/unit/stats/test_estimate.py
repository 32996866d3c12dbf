import json
import math

import pytest

from abkit.display import cell
from abkit.stats.estimate import EXPLANATIONS, Estimate, Reason


def test_every_reason_is_explained():
    assert set(EXPLANATIONS) == set(Reason)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_becomes_none_with_a_reason(number):
    answer = Estimate(number)
    assert answer.value is None
    assert answer.reason is Reason.NOT_FINITE


def test_missing_bound_of_a_one_sided_interval_needs_no_reason():
    answer = Estimate(1.0, 0.5, -math.inf, 2.0, alternative="less")
    assert (answer.low, answer.high, answer.reason) == (None, 2.0, None)


def test_undefined_is_never_significant():
    assert not Estimate(5.0, reason=Reason.ZERO_VARIANCE).is_significant
    assert not Estimate(5.0, p_value=math.nan).is_significant
    assert Estimate(5.0, p_value=0.05).is_significant
    assert not Estimate(5.0, p_value=0.0501).is_significant


def test_json_has_no_nan_and_survives_a_round_trip():
    answer = Estimate(math.nan, 0.1, math.inf, 1.0, details={"ratio": 2.0})
    text = json.dumps(answer.to_dict(), allow_nan=False)
    assert json.loads(text)["reason"] == "not_finite"


def test_html_escapes():
    assert "<b>" not in Estimate(1.0, method="<b>")._repr_html_()


def test_numbers_are_shown_with_the_digits_that_matter():
    assert cell(1234567.0) == "1234567"
    assert cell(1e-9) == "1e-09"
    assert cell(math.inf) == "inf"
