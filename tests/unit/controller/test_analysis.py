import pandas as pd
import pytest

import abkit as ab


def test_data_without_an_experiment_says_what_comes_first() -> None:
    for first in ("chats.csv", pd.DataFrame({"variant": ["a"]})):
        with pytest.raises(ab.AbkitError, match=r"expected an Experiment, got .*from_yaml"):
            ab.analyze(first)
