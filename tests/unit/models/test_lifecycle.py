from itertools import product
from typing import get_args

import pytest

from abkit.errors import DefinitionError
from abkit.models import TRANSITIONS, transition
from abkit.models.lifecycle import Action, Status


def test_every_pair_either_moves_or_says_what_is_possible() -> None:
    for status, action in product(get_args(Status), get_args(Action)):
        if (status, action) in TRANSITIONS:
            assert transition(status, action) in get_args(Status)
        else:
            with pytest.raises(DefinitionError, match=f"cannot {action} an experiment that is {status}"):
                transition(status, action)


def test_what_has_ended_stays_ended() -> None:
    assert not [start for start, _ in TRANSITIONS if start in {"completed", "cancelled"}]
