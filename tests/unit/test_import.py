import subprocess
import sys

import abkit

HEAVY = {
    *("pandas", "matplotlib", "papermill", "scipy.stats", "fastapi"),
    *("statsmodels", "nbconvert", "duckdb", "sqlalchemy"),
}


def loaded_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_abkit_loads_nothing_heavy() -> None:
    assert not loaded_after("import abkit") & HEAVY
    assert not loaded_after("import abkit.cli.app") & {"fastapi", "uvicorn"}


def test_definitions_and_statistics_load_little() -> None:
    assert not loaded_after("import abkit as ab\nab.Experiment, ab.Plan, ab.presets") & {*HEAVY, "numpy"}
    assert not loaded_after("import abkit.stats") & HEAVY


def test_an_analysis_of_a_file_needs_neither_pandas_nor_scipy_stats() -> None:
    code = "import abkit as ab\nab.analyze(ab.Experiment.from_yaml('examples/bandit/bandit-policy.yml'))"
    assert not loaded_after(code) & {"pandas", "matplotlib", "scipy.stats", "statsmodels", "papermill"}


def test_every_public_name_exists_and_there_are_few() -> None:
    for name in abkit.__all__:
        assert getattr(abkit, name) is not None
    assert len(abkit.__all__) <= 30
    assert sorted(abkit.__all__) == dir(abkit)
