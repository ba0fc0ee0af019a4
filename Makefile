# Two commands set up everything they need: `make demo` and `make test`.
# With uv when it is there, with pip when not; what is set up is kept in .venv and reused until a lock changes.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(shell command -v uv 2>/dev/null)
DRIVER := tests/browser/node_modules

# As pip does: trust what the machine trusts (two names, for older and newer uv).
export UV_NATIVE_TLS   := true
export UV_SYSTEM_CERTS := true

.DEFAULT_GOAL := help
.PHONY: help demo server server-scale test test-servers test-browser campaign bench check format docs lock sbom audit-dependencies clean

help:  ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

demo: $(VENV)/.ready  ## Onboard examples/oss.yaml twice on a local cloud
	@$(BIN)/onboard demo

server: $(VENV)/.ready  ## Prefect with UI, a local cloud, blocks, deployments, a worker, until Ctrl-C; the data stay
	@$(BIN)/onboard server

server-scale: $(VENV)/.ready-dev  ## The same on PostgreSQL and Redis, with two workers (prefect-redis is locked with the tests)
	@$(BIN)/onboard server --scale

test: $(VENV)/.ready-dev  ## All tests
	$(BIN)/python -m pytest -n auto --dist loadfile

bench: $(VENV)/.ready-dev  ## Measure the speed and compare with what must be reached
	$(BIN)/python -m benchmarks

test-servers: $(VENV)/.ready-dev  ## The tests that start whole installations, some minutes long
	$(BIN)/python -m pytest -m servers

test-browser: $(VENV)/.ready-dev $(DRIVER)/.ready  ## The tests that drive the Prefect UI in Chromium, some minutes long
	$(BIN)/python -m pytest -m browser -rs tests/browser

# RUNS single onboardings, and shares of it of the other kinds; SEED makes another campaign.
campaign: $(VENV)/.ready-dev  ## Onboard under random faults and kills, RUNS=100 and SEED=0 unless given, a quarter of an hour long
	CAMPAIGN_RUNS=$(or $(RUNS),100) CAMPAIGN_SEED=$(or $(SEED),0) $(BIN)/python -m pytest --timeout 400 tests/campaign

check: $(VENV)/.ready-dev  ## Formatting, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.ready-dev  ## Write the formatting that check asks for
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.ready-dev  ## Write the reference pages from the code
	$(BIN)/python docs/generate.py

lock:  ## Resolve the two locks anew (needs uv)
	uv pip compile --universal --python-version 3.10 --generate-hashes --no-header --no-annotate \
	  pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.10 --generate-hashes --no-header --no-annotate \
	  pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock

sbom: $(VENV)/.ready  ## What an installation holds, with licences, as CycloneDX 1.5 JSON: make -s sbom > sbom.json
	@$(BIN)/python docs/sbom.py

# pip-audit has an environment of its own that is thrown away: what it needs is no part of this project.
audit-dependencies:  ## Known vulnerabilities of what requirements.lock holds (needs network)
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && $(PYTHON) -m venv "$$folder/venv" && \
	  { "$$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check --retries 1 pip-audit || \
	    { echo "pip-audit could not be installed: this needs a package index; nothing was checked" >&2; exit 1; }; } && \
	  { "$$folder/venv/bin/pip-audit" --require-hashes --disable-pip --requirement requirements.lock || \
	    { echo "pip-audit found something, or could not ask the index for known vulnerabilities: see above" >&2; exit 1; }; }

clean:  ## Remove what was set up
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "Python 3.10 or newer is needed; say which with: make PYTHON=python3.11 …" >&2; exit 1; }
ifdef UV
	uv venv --quiet --python $(PYTHON) $(VENV)
else
	@$(PYTHON) -m venv $(VENV) || { echo "python3 lacks venv; on Debian: apt-get install python3-venv" >&2; rm -rf $(VENV); exit 1; }
endif

# The locks hold hashes: what is installed is what was tested. Bytecode is compiled here, once: it saves each start
# of a process two seconds.
# The locks are complete. Resolving them again is slow, and pip looks at the newest release of what is named with an extra
# (sqlalchemy[asyncio]), which has no hash here.
define install
	@echo "Setting up $(VENV) from $(1); this takes a minute the first time"
	$(if $(UV),uv pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode -r $(1), \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(1))
	$(if $(UV),uv pip install --quiet --python $(BIN)/python --no-deps --editable ., \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .)
	@touch $@
endef

$(VENV)/.ready: requirements.lock pyproject.toml | $(BIN)/python
	$(call install,requirements.lock)

$(VENV)/.ready-dev: requirements-dev.lock pyproject.toml | $(BIN)/python
	$(call install,requirements-dev.lock)
	@touch $(VENV)/.ready

# What drives the browser: npm installs it, and it downloads no browser. Without npm those tests are skipped and say so.
$(DRIVER)/.ready: tests/browser/package-lock.json
	@if command -v npm >/dev/null && npm ci --prefix tests/browser --no-audit --no-fund --silent; then touch $@; \
	  else echo "playwright-core could not be installed: the tests in a browser will be skipped" >&2; fi
