import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

import abkit as ab
from abkit.controller.targets import analyze_target, find_experiment
from abkit.errors import NotFoundError, StoreError

SECRET = "planted-secret"


def filled(url: str) -> None:
    rng = np.random.default_rng(1)
    variants = [ab.Variant("a", 50, is_control=True), ab.Variant("b", 50)]
    plan = ab.Plan(min_runtime_days=0)
    one = ab.Experiment("stored", variants, ab.Mean("score"), agent_id="writer", min_sample_size=400, plan=plan)
    with ab.connect(url, clock=lambda: datetime(2026, 11, 22, tzinfo=UTC)) as lab:
        lab.create(one)
        lab.start("stored")
        rows = []
        for user in range(400):
            variant = lab.assign("writer", f"user-{user}").variant
            rows.append({"user_id": f"user-{user}", "metric_type": "score", "event_id": f"e{user}",
                         "value": float(rng.normal(5 + (variant == "b"), 1))})  # fmt: skip
        lab.record_many(rows, experiment_id="stored")


def test_a_key_is_looked_for_in_the_store_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'lab.db'}"
    filled(url)
    monkeypatch.delenv("ABKIT_STORE", raising=False)
    with pytest.raises(NotFoundError, match="name the store in ABKIT_STORE"):
        find_experiment("stored")
    monkeypatch.setenv("ABKIT_STORE", url)
    experiment, analysis = analyze_target("stored")
    assert (experiment.key, analysis.decision.verdict) == ("stored", "ship")
    assert find_experiment("").key == "warming"


@pytest.mark.usefixtures("forked")
def test_a_report_from_the_store_holds_the_live_numbers_and_not_the_store_s_address(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / SECRET}.db"
    filled(url)
    with ab.connect(url) as lab:
        report = lab.report("stored", out=tmp_path / "out")
        assert report.verdict == lab.analyze("stored").decision.verdict == "ship"
    assert (tmp_path / "out/stored/latest/report.html").is_file()
    for artefact in report.folder.iterdir():
        assert SECRET not in artefact.read_text(), artefact.name
    assert json.loads((report.folder / "analysis.json").read_text())["data"]["units"] == 400


def test_a_store_in_memory_says_why_it_has_no_report(tmp_path: Path) -> None:
    with ab.connect("sqlite://") as lab, pytest.raises(StoreError, match="in memory"):
        lab.report("stored", out=tmp_path)
