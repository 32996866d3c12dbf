from pathlib import Path

import pandas as pd
import pytest

import abkit as ab
from abkit.controller.simulation import read_arrival, read_ids, running_experiments, simulate_target
from abkit.errors import AbkitError, NotFoundError


def experiment(key: str, agent_id: str) -> ab.Experiment:
    variants = [ab.Variant("a", 50, is_control=True), ab.Variant("b", 50)]
    return ab.Experiment(key, variants, ab.Mean("score"), agent_id=agent_id)


def test_what_runs_in_the_store_is_compared_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path / 'abkit.db'}"
    with ab.connect(url) as lab:
        for place in range(55):
            lab.create(experiment(f"running-{place}", f"agent-{place}"))
            lab.start(f"running-{place}")
        lab.create(experiment("draft", "agent-0"))
    monkeypatch.setenv("ABKIT_STORE", url)
    assert {one.key for one in running_experiments()} == {f"running-{place}" for place in range(55)}
    found, simulation = simulate_target("draft", users=2000)
    assert found.key == "draft"
    assert len(simulation.others) == 55
    assert simulation.check("independence").status == "pass"
    assert len(simulate_target("running-3", users=2000)[1].others) == 54
    monkeypatch.delenv("ABKIT_STORE")
    assert running_experiments() == ()


@pytest.mark.parametrize("name", ["ids.txt", "ids.csv", "ids.csv.gz", "ids.parquet"])
def test_ids_are_read_as_the_text_they_are(tmp_path: Path, name: str) -> None:
    ids, path = ["007", "7", "NA", "zoë"], tmp_path / name
    frame = pd.DataFrame({"user_id": ids, "team": ["x", "x", "y", "y"]})
    if name == "ids.txt":
        path.write_text("\n".join(ids), encoding="utf-8")
    elif name == "ids.parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    assert list(read_ids(str(path))[0]) == ids
    if name != "ids.txt":
        assert list(read_ids(str(path), "team")[1]) == ["x", "x", "y", "y"]
        with pytest.raises(NotFoundError, match="did you mean 'team'"):
            read_ids(str(path), "taem")
    else:
        with pytest.raises(AbkitError, match="no columns"):
            read_ids(str(path), "team")


def test_the_header_of_a_file_of_ids_says_what_separates_columns(tmp_path: Path) -> None:
    path = tmp_path / "ids.csv"
    path.write_text("user_id;team;spend\n007;x;1,5\n7;y;2,5\n", encoding="utf-8-sig")
    ids, teams = read_ids(str(path), "team")
    assert (list(ids), list(teams)) == (["007", "7"], ["x", "y"])
    path.write_text("Customer ID;spend\n007;1,5\n")
    with pytest.raises(NotFoundError, match=r"no column 'user_id'.*Customer ID.*or the only one of the file"):
        read_ids(str(path))


def test_files_that_cannot_be_read_are_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("")
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe")
    (tmp_path / "c.parquet").write_text("no")
    for name in ("a.csv", "b.txt", "c.parquet"):
        with pytest.raises(AbkitError, match=name):
            read_ids(str(tmp_path / name))
    with pytest.raises(NotFoundError, match="no file"):
        read_ids("absent.csv")


def test_options_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(AbkitError, match="leave out one"):
        simulate_target("", users=5, ids="x.csv")
    with pytest.raises(AbkitError, match="name the file"):
        simulate_target("", cluster="team")
    with pytest.raises(AbkitError, match="commas"):
        read_arrival("100;50")
