# The doors of the project: setup, compiled, run, test, endpoints, http, bench, profile, soak, lint, lock. `.ci/run` uses the same ones.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup compiled run test endpoints http bench profile soak lint lock catalogue clean

# Compiles the hot modules too where there is a C compiler; ROUTER_MODULES=pure is for who wants none of it.
setup: $(VENV)/.installed
	@$(BIN)/python compiling.py --if-possible

# Compiles the hot modules into router/compiled/, from where they run until a source changes, or fails.
compiled: $(VENV)/.installed
	$(BIN)/python compiling.py

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "This needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Name another: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

run: setup
	@$(BIN)/python -m router.local

# On the modules that run, and after compiled ones what only pure ones can show.
test: setup
	$(BIN)/python -m pytest
	@if $(BIN)/python -c 'import sys; from router.modules import running; sys.exit(running().modules != "compiled")'; \
	  then ROUTER_MODULES=pure $(BIN)/python -m pytest -m pure; fi

# Where routes.yaml sends every endpoint of Synapse, and why main has what it has.
endpoints: setup
	@$(BIN)/python -m router.synapse

# Asks the router, nginx and HAProxy every case of tests/http/ and writes the table of docs/http.md: review the diff.
http: setup
	@$(BIN)/python -m tests.http

bench: setup
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.latency
	$(BIN)/python -m benchmarks.scale

# What a request costs and where: writes the tables of docs/performance.md: review the diff.
profile: setup
	$(BIN)/python -m benchmarks.profile --record

soak: setup
	$(BIN)/python -m tests.faults --seconds 600
	$(BIN)/python -m tests.fuzz --seconds 600

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Every package, transitive ones too, with hashes, for every platform and Python that the project takes.
lock: setup
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --all-extras \
	  --custom-compile-command 'make lock' --output-file requirements.lock pyproject.toml

# Asks the installed Synapse anew who serves what, after an upgrade of it: review the diff. Takes minutes.
catalogue: setup
	$(BIN)/python -m router.local.asking

clean:
	rm -rf $(VENV) .run router/compiled
