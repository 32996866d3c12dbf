# abkit: `make report`, `make test`, `make lab`. Everything runs in .venv, which the first call makes.
PYTHON ?= python3
BIN := .venv/bin
export MPLBACKEND := agg
# What a process of the tests compiled, the next one need not.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help report test tests test-fast test-slow test-spark test-spark-full bench docs lab lint lock clean
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 14

report: .venv/.ready ## render a report for every experiment in examples/
	@$(BIN)/abkit report examples/*/*.yml --out reports --jobs 2

test: .venv/.ready-dev ## everything that is checked: lint, types, floors, unit, reference, notebook, end-to-end
	@$(MAKE) --no-print-directory -j 2 lint tests

tests: .venv/.ready-dev ## what test does, without lint
	@echo "== tests"
	@$(BIN)/python -m pytest -n 2 --dist loadfile --nbval-lax -m "not spark and not full"

test-fast: .venv/.ready-dev ## the tests without the calibrations
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not full and not spark"

test-slow: .venv/.ready-dev ## the calibrations and the fault tests alone, in full
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "(slow or full) and not spark" tests

test-spark: .venv/.ready-spark ## what runs on Spark (needs Java 17 or newer), with two workers
	@echo "== spark"
	@$(BIN)/python -m pytest -n 0 -m "spark and not full" tests/engines tests/unit/assignment

test-spark-full: .venv/.ready-spark ## the whole suite of engines on Spark
	@$(BIN)/python -m pytest -n 0 -m spark tests/engines tests/unit/assignment

bench: .venv/.ready-dev ## speed, as ratios measured in one run (BENCH="--users 10000000" for larger tables)
	@$(BIN)/python benchmarks $(BENCH)

docs: .venv/.ready-dev ## build the documentation into site/, and fail on any warning
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "site/index.html"

lint: .venv/.ready-dev ## ruff, mypy, import-linter
	@echo "== ruff" && $(BIN)/ruff check . && $(BIN)/ruff format --check .
	@echo "== mypy" && $(BIN)/mypy
	@echo "== floors" && $(BIN)/lint-imports

lab: .venv/.ready ## JupyterLab in notebooks/
	@$(BIN)/jupyter lab --notebook-dir=notebooks $(if $(filter 0,$(shell id -u)),--allow-root)

lock: .venv/bin/python ## pin the newest versions that resolve
	@$(BIN)/uv pip compile -q --universal -p 3.11 pyproject.toml --no-header --no-annotate -U -o requirements.lock
	@$(BIN)/uv pip compile -q --universal -p 3.11 pyproject.toml --extra api --extra postgres --extra widgets --group dev --group docs -c requirements.lock --no-header --no-annotate -o requirements-dev.lock
	@$(BIN)/uv pip compile -q --universal -p 3.11 --group spark --no-header --no-annotate -o requirements-spark.lock

clean: ## remove the environment and caches
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

# Bytecode is compiled here, on all cores: an environment may forbid writing it later, and then every start would
# compile again.
.venv/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(v < (3, 11) and f"abkit needs Python 3.11 or newer, {sys.executable} is {v[0]}.{v[1]}: call make PYTHON=/path/to/python3.11")'
	@echo "== environment in .venv" && rm -rf .venv
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q --no-compile uv || echo "no uv: pip installs, which takes longer"

# uv installs in a tenth of pip's time; where it cannot be had or cannot reach an index, pip does.
define install
	@echo "== installing $(1)"
	@$(BIN)/uv pip install -q -p $(BIN)/python --no-deps $(2) -r $(1) 2>/dev/null \
	|| $(BIN)/python -m pip install -q --no-deps --no-compile $(2) -r $(1)
	@$(BIN)/python -m compileall -qq -j 0 -x '/tests?/' .venv/lib abkit || true
	@touch $@
endef

.venv/.ready: requirements.lock pyproject.toml | .venv/bin/python
	$(call install,requirements.lock,-e .)

.venv/.ready-dev: requirements-dev.lock .venv/.ready
	$(call install,requirements-dev.lock)
	@sh tests/install_browser.sh

.venv/.ready-spark: requirements-spark.lock .venv/.ready-dev
	$(call install,requirements-spark.lock)
