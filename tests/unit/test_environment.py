"""What sets a new machine up: one list of versions, and no address in it."""

import re
import tomllib
from pathlib import Path

import yaml


def test_conda_users_get_the_same_versions_and_python(root: Path) -> None:
    environment = yaml.safe_load((root / "environment.yml").read_text())
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert environment["name"] == "abkit"
    python = next(line for line in environment["dependencies"] if str(line).startswith("python"))
    assert python.removeprefix("python").startswith(project["requires-python"])
    pip = next(line for line in environment["dependencies"] if isinstance(line, dict))["pip"]
    assert pip == ["-r requirements.lock", "-e ."]


def test_every_library_is_pinned_and_no_lock_names_an_address(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    for name in ("requirements.lock", "requirements-dev.lock", "requirements-spark.lock"):
        text = (root / name).read_text()
        assert "://" not in text
        assert all("==" in line for line in text.splitlines())
    pinned = {line.split("==")[0] for line in (root / "requirements.lock").read_text().splitlines()}
    spark = (root / "requirements-spark.lock").read_text()
    assert (
        tomllib.loads((root / "pyproject.toml").read_text())["dependency-groups"]["spark"]
        == (project["optional-dependencies"]["spark"])
    )
    assert "pyspark==" in spark
    assert "sqlglot==" in spark
    wanted = {re.split(r"[<>=\[]", line)[0] for line in project["dependencies"]}
    assert wanted <= pinned


def test_the_checks_run_what_readme_tells_a_person_to_run(root: Path) -> None:
    told = re.findall(r"^make (test\S*)", (root / "README.md").read_text(), re.MULTILINE)
    run = re.findall(r"^(?:exec )?make (\S+)$", (root / ".ci" / "run").read_text(), re.MULTILINE)
    assert told == run == ["test", "test-spark"]
