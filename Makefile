# Two commands do all the set-up: `make demo` builds the example, `make test` runs every test.
PYTHON ?= python3
BIN := $(CURDIR)/.venv/bin
# What the tests drive for real, where it is not there yet: a server, a browser, Java for Spark, and a proxy.
INITDB := $(wildcard /usr/lib/postgresql/*/bin/initdb) $(shell command -v initdb)
LACKING := $(if $(strip $(INITDB)),,postgresql) $(if $(wildcard /usr/bin/chromium),,chromium) \
	$(if $(wildcard /usr/bin/java),,default-jre-headless) $(if $(wildcard /usr/sbin/haproxy),,haproxy)
# Where the demo builds: `dev` is a DuckDB file, `postgres` a server of its own.
TARGET := dev
# The package as it is installed, with the app in it: mypy finds modules by their folders only.
TYPED := .venv/typed/mlbridge
# The site has the pages of the repository under their own paths: a link holds there as on a git host.
PAGES := .venv/pages
APT := $(if $(filter 0,$(shell id -u)),,sudo )apt-get
# A worker more than the two cores that this is made for: builds wait for disks, pages for timers. None takes two cores.
WORKERS := OMP_NUM_THREADS=1 $(BIN)/pytest -n 3
# The demo stands still on the morning of the last day (7:00 in New York), when some flights have not landed yet.
MORNING := 2013-12-31 12:00:00
COMING := select flight_id as flight, carrier, origin, destination, cast(100 * probability as int) || ' %' as risk \
	from ml_scores_late_arrival where outcome_state = 'pending' and local_date = date '2013-12-31' \
	order by probability desc limit 10

# Python keeps what it has compiled, even where the environment says that it must not write it: otherwise each process
# compiles its libraries again, which takes longer than what most tests do with them.
export PYTHONDONTWRITEBYTECODE :=

# Other releases of dbt that the package is built with, each in an environment of its own.
DBT_1_12 := dbt-core==1.12.6
DBT_2 := dbt==2.0.0rc196

# Old releases warn of what new ones have mended. dbt-spark needs newer adapters than dbt-duckdb does.
OLD := -e '.[catboost,lightgbm,postgres,serve,xgboost]'
LOWEST := OMP_NUM_THREADS=1 .venv/lowest/bin/pytest -n auto --quiet -W default

.PHONY: help demo demo-dev demo-postgres demo-stop test change boards servers lowest lint audit unit check catalogue docs format clean

help:  ## Say what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

.venv/uv: constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	touch $@

.venv/demo: .venv/uv pyproject.toml
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e .
	touch $@

.venv/postgres: .venv/demo
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[postgres]'
	touch $@

.venv/dev: .venv/demo
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e . --group dev
	touch $@

.venv/dbt-1.12/made: .venv/uv pyproject.toml
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(@D)
	grep -v '^dbt-core==' constraints.txt > $(@D)/constraints.txt
	$(BIN)/uv pip install --quiet --python $(@D)/bin/python -c $(@D)/constraints.txt -e . $(DBT_1_12)
	touch $@

.venv/dbt-2/made: .venv/uv
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(@D)
	$(BIN)/uv pip install --quiet --python $(@D)/bin/python $(DBT_2)
	touch $@

.venv/docs: .venv/uv pyproject.toml
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt --group docs
	touch $@

demo: demo-$(TARGET)  ## Build the flights with two ML models, and say what to look at; TARGET=postgres on a server that it starts

demo-dev: .venv/demo
	cd dbt_project && $(BIN)/dbt deps --quiet && $(BIN)/dbt build --profiles-dir . --vars '{mlbridge_as_of: "$(MORNING)"}'
	cd dbt_project && $(BIN)/mlbridge versions
	@echo
	@echo "Dashboards read dbt_project/flights.duckdb.published/dev/current (docs/bi.md); ml_versions, ml_metrics, ml_importances and ml_profiles say how each model came about;"
	@echo "ml_alerts, ml_drift and ml_performance how the world and the models have done since. The monitor shows all of it:"
	@echo
	@echo "  .venv/bin/mlbridge monitor --project-dir dbt_project"
	@echo
	@echo "It is $(MORNING) (UTC). Of the flights of this morning that have not landed yet, these are the likeliest to arrive late (ml_scores_late_arrival):"
	@cd dbt_project && $(BIN)/python -c "import duckdb; duckdb.connect('flights.duckdb.published/dev/bi.duckdb', read_only=True).sql(\"$(COMING)\").show()"

# Its own server only, whatever other one the environment names. A service of libpq would come before these.
demo-postgres: export PGHOST := 127.0.0.1
demo-postgres: export PGHOSTADDR := 127.0.0.1
demo-postgres: export PGPORT := 54329
demo-postgres: export PGUSER := flights
demo-postgres: export PGDATABASE := flights
demo-postgres: export PGPASSWORD := flights
demo-postgres: export PGSSLMODE := disable
demo-postgres: .venv/postgres
ifeq ($(strip $(INITDB)),)
	$(APT) update --quiet
	$(APT) install --yes --quiet --no-install-recommends postgresql
endif
	$(BIN)/python dbt_project/data/postgres.py start
	cd dbt_project && $(BIN)/dbt deps --quiet && env -u PGSERVICE $(BIN)/mlbridge build --target postgres --vars '{mlbridge_as_of: "$(MORNING)"}'
	cd dbt_project && env -u PGSERVICE $(BIN)/mlbridge versions --target postgres
	@echo
	@echo "The tables are in the schema main of the database flights on 127.0.0.1:$(PGPORT), for the user flights. What each model is worth, and the monitor:"
	@echo
	@echo "  .venv/bin/mlbridge status --project-dir dbt_project --target postgres"
	@echo "  .venv/bin/mlbridge monitor --project-dir dbt_project --target postgres"
	@echo
	@echo "make demo-stop ends the server; its folder dbt_project/postgres keeps the tables."

demo-stop:  ## End the server that the demo has started
	$(PYTHON) dbt_project/data/postgres.py stop

servers:
ifneq ($(strip $(LACKING)),)
	$(APT) update --quiet
	$(APT) install --yes --quiet --no-install-recommends $(LACKING)
endif

test: .venv/dev .venv/dbt-1.12/made .venv/dbt-2/made servers  ## Run every test
	$(WORKERS) -m '' --durations=50 tests

change: .venv/dev servers  ## Run what a change must pass: every test but the slow ones
	$(WORKERS) --durations=20 tests

# Each client is installed in an environment that is thrown away. Evidence needs Node.js 18 or newer.
boards: .venv/dev servers  ## Try the boards for dbt Charts, Superset and Evidence with the real clients, which takes long
	MLBRIDGE_BOARDS=1 OMP_NUM_THREADS=1 $(BIN)/pytest -m '' --durations=5 tests/browser/test_boards.py

# The environment is thrown away: it holds the oldest releases that pyproject.toml allows, and the tests' own tools.
lowest: .venv/uv  ## Run the unit tests and a build with the oldest versions that are allowed
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv/lowest
	$(BIN)/uv pip install --quiet --python .venv/lowest/bin/python --resolution lowest-direct $(OLD)
	$(BIN)/uv pip freeze --python .venv/lowest/bin/python --exclude-editable > .venv/lowest/oldest.txt
	$(BIN)/uv pip install --quiet --python .venv/lowest/bin/python -c .venv/lowest/oldest.txt $(OLD) --group test
	$(LOWEST) tests/unit
	$(LOWEST) tests/builds/test_graft.py -k 'every_row_that_no_fit_saw or building_again'

lint: .venv/dev  ## Format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	rm -rf $(TYPED) && mkdir -p $(TYPED)
	ln -s $(CURDIR)/mlbridge/* $(TYPED) && ln -s $(CURDIR)/streamlit_app $(TYPED)/app
	$(BIN)/mypy $(TYPED)
	$(BIN)/sqlfluff lint --nocolor dbt_project/models dbt_project/tests models
	$(BIN)/hadolint deploy/Dockerfile

audit: .venv/dev  ## Look up the pinned versions in PyPI's database of known vulnerabilities
	$(BIN)/uv tool run pip-audit --strict --progress-spinner off --no-deps --disable-pip --requirement constraints.txt

unit: .venv/dev  ## Run the unit tests
	$(WORKERS) --quiet

check: lint unit  ## Lint, and the unit tests

catalogue: .venv/dev  ## Write what is made of code and YAML: the seed, and tables and reference in the docs
	PYTHONPATH=tests/helpers $(BIN)/python -m made

docs: .venv/docs  ## Build the site of the docs into site/, and check its links
	rm -rf $(PAGES) && mkdir -p $(PAGES)
	ln -s $(addprefix $(CURDIR)/,README.md CHANGELOG.md CONTRIBUTING.md LICENSE docs) $(PAGES)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

format: .venv/dev  ## Format Python
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: demo-stop  ## Remove what was built and installed
	rm -rf .venv site dbt_project/target dbt_project/dbt_packages dbt_project/logs dbt_project/flights.duckdb* dbt_project/postgres dbt_project/postgres.new
