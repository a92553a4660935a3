# Each target needs nothing but Python 3.11 or newer and make: what is missing goes into .venv.
PYTHON ?= python3
WORKERS ?= 2
BIN := .venv/bin
INSTALLED := .venv/.installed
# All that the lock holds; `web` is left out (pyproject.toml says why).
EXTRAS := --extra pipeline --extra gguf --extra dev
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes

# DVC looks up the `python` of its stages' commands on PATH.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help install lock audit repro test quick mutations faults bench lint types layers format clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' Makefile

install: $(INSTALLED)  ## make .venv with the pinned packages (once)

# What requirements-torch.lock pins is resolved with the rest, and left out of requirements.lock.
OF_TORCH = $(shell sed -n 's/^\([a-z0-9.-]*\).*==.*/--unsafe-package \1/p' requirements-torch.lock)

# Keeps the versions that still fit; `make lock UPGRADE=--upgrade` takes the newest.
lock:  ## write requirements.lock anew from pyproject.toml, with the hashes of all files
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet --disable-pip-version-check pip-tools
	.tools/bin/pip-compile --quiet --generate-hashes --strip-extras $(EXTRAS) --no-annotate --no-header \
		--no-emit-options --unsafe-package pip $(OF_TORCH) $(UPGRADE) \
		--output-file requirements.lock pyproject.toml requirements-torch.lock

# As `dvc repro`, with stages that do not need each other at the same time.
repro: $(INSTALLED)  ## run what changed on the parameters in force, then show Table 1
	$(BIN)/python -m stages.repro
	$(BIN)/python -m stages.table

# Files in their order, not those of many tests first: tests/end_to_end/ is few tests, and longest.
test: $(INSTALLED)  ## run all tests that need neither GPU nor network
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder \
		-m "not gpu" -rfEs

quick: lint  ## lint, then test what changed: under a minute, no training
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.quick

mutations: $(INSTALLED)  ## break the code on purpose, and name the tests that notice
	$(BIN)/python -m tests.mutations

faults: $(INSTALLED)  ## kill, starve and crowd the stages many times; what was lost is said
	$(BIN)/python -m tests.faults

bench: $(INSTALLED)  ## measure speed and memory against other ways; wants two idle cores
	$(BIN)/python -m benchmarks

lint: $(INSTALLED)  ## check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)  ## check types
	$(BIN)/mypy

layers: $(INSTALLED)  ## check who may import whom
	$(BIN)/lint-imports

audit:  ## look up known weaknesses of the pinned packages; says so where it is offline
	@PYTHON=$(PYTHON) .ci/audit

format: $(INSTALLED)  ## format, and mend what can be mended
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

clean:  ## remove caches, logs and interrupted runs; keep .venv, outs and DVC's cache
	rm -rf .checkpoints .locks logs .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find pipeline stages tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Every file is checked against a SHA-256 of the lock. torch's CPU build is taken where pip finds it.
$(INSTALLED): $(wildcard requirements*.lock)
	@$(PYTHON) -c 'import sys; v = sys.version_info; v < (3, 11) and sys.exit("make: Python 3.11 or newer is needed, this is %d.%d; give another: make PYTHON=python3.12" % v[:2])'
	@echo "Installing the pinned packages into .venv; this takes some minutes."
	$(PYTHON) -m venv .venv
	@torch=requirements-torch-cpu.lock; \
	$(PIP) --dry-run --no-deps --requirement $$torch >/dev/null 2>&1 || torch=requirements-torch.lock; \
	$(PIP) --requirement requirements.lock --requirement $$torch
	@touch $@
