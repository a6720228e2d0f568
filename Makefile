# SPDX-License-Identifier: Apache-2.0
# What a developer types. Every target can be run again and is quick when nothing is missing.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

# What is type-checked; a folder that does not exist yet is left out. ruff takes everything.
SOURCES := $(wildcard uvtrace checkers devices reports tests benchmarks tools traces)
# pytest's arguments, for example: make test PYTEST="-k ring"
PYTEST  ?=
# Processes that share the tests: one for the VMs, which follow one another, the others for the rest.
WORKERS ?= 2
SHARED  := -n $(WORKERS) --no-loadscope-reorder

.PHONY: help venv packages demo test test-long unit bench kmod kmod-check dkms docs lint format traces \
	pictures clean

help:
	@echo 'make demo       record the stock e1000 driver in a VM, summarise it, check it'
	@echo 'make test       lint, build the module for every kernel, unit tests, VM tests'
	@echo 'make test-long  the tests that need many or long VM runs'
	@echo 'make unit       only the tests that need no VM'
	@echo 'make lint       ruff and mypy;  make format  lets ruff rewrite'
	@echo 'make kmod       uvbus.ko for the running kernel, or KERNEL=release'
	@echo 'make dkms       the module'"'"'s sources for DKMS, below DESTDIR/usr/src'
	@echo 'make docs       the documentation as a site: build/docs/index.html'
	@echo 'make pictures   the pictures in the documentation again'
	@echo 'make bench      measure'
	@echo 'make traces     record everything under traces/ again'
	@echo 'make clean      remove what was built'

# ------------------------------------------------------------------ preparing

packages:
	@tools/install-packages.sh packaging/apt-packages.txt

venv: $(STAMP)

$(STAMP): pyproject.toml uvtrace/version.py tools/make-venv.sh
	@PYTHON=$(PYTHON) tools/make-venv.sh $(VENV)
	@touch $@

# -------------------------------------------------------------------- running

demo:
	@PYTHON=$(PYTHON) tools/demo.sh

# pytest comes last: its summary is the last line.
test: packages venv
	@$(MAKE) --no-print-directory lint docs kmod-check
	@$(BIN)/pytest -q $(SHARED) -m 'not long' $(PYTEST)

test-long: packages venv
	@$(BIN)/pytest -q -m long $(PYTEST)

unit: venv
	@$(BIN)/pytest -q $(SHARED) -m 'not vm and not long' $(PYTEST)

lint: venv
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy $(SOURCES)

format: venv
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# Each benchmark makes its own input and prints its own table.
bench: packages venv
	@for benchmark in benchmarks/*.py; do \
	    echo "== $$benchmark"; $(BIN)/python -m "benchmarks.$$(basename "$$benchmark" .py)" || exit; \
	done

traces: packages venv
	@$(BIN)/python -m traces.record
	@$(BIN)/python -m traces.record_faulty
	@$(BIN)/python -m traces.record_long

# --------------------------------------------------------------- kernel module

KERNEL ?= $(shell uname -r)

kmod:
	@$(MAKE) --no-print-directory -C kmod KERNEL=$(KERNEL)

kmod-check: packages
	@tools/kmod-check.sh

dkms:
	@tools/dkms-tree.sh $(DESTDIR)

# --------------------------------------------------------------- documentation

# From nothing each time: what a page was warned of must not be forgotten by the next run.
docs: venv
	@$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --nitpicky --fresh-env \
	    --builder html --conf-dir docs/site . build/docs

# Wireshark itself is needed for its picture only.
pictures: venv
	@tools/install-packages.sh packaging/apt-packages-pictures.txt
	@$(BIN)/python -m tools.screenshot
	@$(BIN)/python -m tools.wireshark_picture

clean:
	@rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis demo $(VENV)
	@find uvtrace checkers devices reports tests -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
	@[ ! -f kmod/Makefile ] || $(MAKE) --no-print-directory -C kmod clean
