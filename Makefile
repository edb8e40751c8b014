# Two commands do all the set-up: `make demo` builds the example, `make test` runs every test.
PYTHON ?= python3
BIN := $(CURDIR)/.venv/bin
# What the tests drive for real, where it is not there yet: a server, a browser, and Java for Spark.
LACKING := $(if $(wildcard /usr/lib/postgresql/*/bin/initdb),,postgresql) $(if $(wildcard /usr/bin/chromium),,chromium) \
	$(if $(wildcard /usr/bin/java),,default-jre-headless)
APT := $(if $(filter 0,$(shell id -u)),,sudo )apt-get
# A worker for each core; none of them takes the cores of the others.
WORKERS := OMP_NUM_THREADS=1 $(BIN)/pytest -n auto

.PHONY: help demo test lint check format clean

help:  ## Say what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

.venv/uv: constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	touch $@

.venv/demo: .venv/uv pyproject.toml
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e .
	touch $@

.venv/dev: .venv/demo
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e . --group dev
	touch $@

demo: .venv/demo  ## Build the flights with two ML models, and say what to look at
	cd dbt_project && $(BIN)/dbt deps --quiet && $(BIN)/dbt build --profiles-dir .
	cd dbt_project && $(BIN)/mlbridge versions
	@echo
	@echo "The warehouse is dbt_project/flights.duckdb. Look at it, for example:"
	@echo
	@echo "  .venv/bin/python -c \"import duckdb; duckdb.connect('dbt_project/flights.duckdb').sql('select model, entity, time, prediction, round(probability, 3) as probability, actual from ml_predictions_latest order by time desc, entity, model limit 10').show()\""
	@echo
	@echo "ml_predictions_latest is for dashboards; ml_versions, ml_metrics, ml_importances and ml_profiles say how each model came about;"
	@echo "ml_alerts, ml_drift and ml_performance how the world and the models have done since. The monitor shows all of it:"
	@echo
	@echo "  .venv/bin/mlbridge monitor --project-dir dbt_project"

test: .venv/dev  ## Run every test
ifneq ($(strip $(LACKING)),)
	$(APT) update --quiet
	$(APT) install --yes --quiet --no-install-recommends $(LACKING)
endif
	$(WORKERS)

lint: .venv/dev  ## Format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint --nocolor dbt_project/models dbt_project/tests models

check: lint  ## The same, and the tests that need no dbt
	$(WORKERS) --quiet --ignore-glob='tests/test_dbt_*.py'

format: .venv/dev  ## Format Python
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## Remove what was built and installed
	rm -rf .venv dbt_project/target dbt_project/dbt_packages dbt_project/logs dbt_project/flights.duckdb*
