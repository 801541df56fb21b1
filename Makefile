# Two commands are enough: `make up` and `make test`. Everything else is a part of one of them.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
BOOTSTRAP := $(PYTHON) deploy/local/bootstrap.py
SOURCES := serve_app organs tests deploy

.DEFAULT_GOAL := help
.PHONY: help up down report test check unit integration cluster upgrade bench mutants coverage accuracy fuzz advisories zoo zoo-short structure lint types check-config lock venv dev

help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: python ## start everything here and show the report; a second time changes nothing
	@$(BOOTSTRAP) up

down: python ## end what `make up` started, and only that
	@$(BOOTSTRAP) down

report: venv ## the report of the running copy, again
	@# A verdict is no failure of make; for cron and CI, whose business the exit code is, see the README.
	@$(BIN)/python -m serve_app.report --url http://127.0.0.1:$${SEEDCORE_HTTP_PORT:-8000} || [ $$? -lt 3 ]

test: dev ## everything CI runs: lint, types, unit, integration, zoo-short, cluster, upgrade
	@deploy/local/timed.sh lint types unit integration zoo-short cluster upgrade

check: dev ## the fast part of `make test`: seconds
	@deploy/local/timed.sh lint types unit

lint: dev ## ruff, the laws of who imports whom, and the shipped configuration
	@$(BIN)/ruff check --quiet $(SOURCES)
	@laws=$$($(BIN)/lint-imports --no-logo --no-cache 2>&1) || { echo "$$laws"; exit 1; }
	@$(BIN)/python -m serve_app.check serve_config.yaml

types: dev ## mypy, strict
	@$(BIN)/mypy

unit: dev ## unit tests: no Ray, no sockets
	@$(BIN)/python -m pytest -q tests/unit

integration: dev ## integration tests: one real local cluster, a real PostgreSQL
	@$(BIN)/python -m pytest -q --durations=15 tests/integration

cluster: dev ## tests on several Ray nodes, which are killed
	@$(BIN)/python -m pytest -q tests/cluster

upgrade: dev ## this version deployed over one that runs, under load; over a commit: make upgrade FROM=<commit>
	@UPGRADE_FROM=$(FROM) $(BIN)/python -m pytest -q tests/upgrade

bench: dev ## the benchmarks, with what they are compared to; AGAINST=<commit>: this checkout beside that commit
ifdef AGAINST
	@$(BIN)/python -m tests.bench against $(AGAINST) $(ARGS)
else
	@$(BIN)/python -m tests.bench
	@$(BIN)/python -m tests.bench jobs
	@$(BIN)/python -m tests.bench diagnosis
endif

mutants: dev ## how many of 200 small faults in the judging the unit tests notice (SEED=<number> draws the same again)
	@$(BIN)/python -m tests.mutation $(if $(SEED),--seed $(SEED)) $(ARGS)

coverage: dev ## how much of the product the unit tests run: lines and branches
	@$(BIN)/python -m coverage run -m pytest -q tests/unit
	@$(BIN)/python -m coverage report

accuracy: dev ## how often the diagnosis is right, over logs of known cause
	@$(BIN)/python -m tests.accuracy $(ARGS)

zoo: dev ## programs in trouble and their innocent twins on a real cluster; ARGS="--limit default": with the shipped limit
	@$(BIN)/python -m tests.zoo $(ARGS)

zoo-short: dev ## the quick part of the zoo: each kind of circle and hang with its twin, under a short limit
	@$(BIN)/python -m pytest -q tests/zoo

fuzz: dev ## 10 000 requests drawn from the published schema, in this process; ARGS="--url http://127.0.0.1:8000": to a running one
	@$(BIN)/python -m tests.fuzz $(ARGS)

advisories: dev ## are there advisories about a locked version? needs an advisory source; fails when none can be reached
	@deploy/local/advisories.sh $(ARGS)

structure: python ## folders, files and names, counted; AGAINST=<commit> shows that one beside it
	@$(PYTHON) -m tests.structure $(if $(AGAINST),--against $(AGAINST)) $(ARGS)

check-config: venv ## is serve_config.yaml (or CONFIG=…) acceptable?
	@$(BIN)/python -m serve_app.check $(or $(CONFIG),serve_config.yaml)

lock: dev ## pin the dependencies of pyproject.toml anew, with hashes
	@deploy/local/lock.sh $(ARGS)

# Not for people: what the commands above need.
.PHONY: python
python:
	@command -v $(PYTHON) >/dev/null || { echo "error: there is no $(PYTHON) on PATH." >&2; \
	  echo "next:  Install Python 3.11 or newer, or name one: make up PYTHON=/path/to/python3.12" >&2; exit 1; }

venv: python
	@$(BOOTSTRAP) venv >/dev/null

dev: python
	@$(BOOTSTRAP) venv --dev $(if $(QUIET),>/dev/null)
