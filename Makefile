# Everything that contributors and continuous integration run. `make` lists it.
# Needs Python 3.11 or newer, make and pip; environments are made here, from pinned constraints.

PYTHON ?= python3
PYTHON38 ?= python3.8
DATA ?=

VENV := .venv
OLDEST := .venv-oldest
FRAMEWORKS := .venv-frameworks
FLOOR := .venv-floor
BIN := $(VENV)/bin
PIP_INSTALL := -m pip install -qq --disable-pip-version-check

# The suite without the examples, which need newer libraries than core and adapters do.
CORE_NEEDS := numpy scipy torch pytest hypothesis
CORE_TESTS := -m pytest tests sstrack_sched --ignore=tests/examples --ignore=tests/lineage --ignore=tests/frameworks --ignore=sstrack_sched/plotting.py -q

# These run OpenVINO in their own process, which may not survive a signal afterwards.
OPENVINO_TESTS := tests/examples/test_inference.py tests/examples/test_still.py

# No torchvision: Lightning does not import beside one that does not match torch.
FRAMEWORK_NEEDS := numpy scipy torch pytest hypothesis lightning accelerate mmengine tensorboard torchdata jax

SAY_VERSIONS := "import sys, numpy, scipy, torch; print('Python', sys.version.split()[0], 'NumPy', numpy.__version__, 'SciPy', scipy.__version__, 'torch', torch.__version__)"

# Idle threads of PyTorch's pool sleep. Spinning, as they do by default, costs a factor of ten on two
# cores as soon as anything else runs.
export OMP_WAIT_POLICY := passive

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help demo test lint types suite docs oldest frameworks floor coverage evidence bench format clean

say = @printf '\n== %s\n' "$(1)"

# == Use
help: ## list the targets
	@sed -nE -e 's/^# == (.*)/\n\1/p' -e 's/^([a-z]+):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

demo: $(VENV)/ready ## train a small tracker three ways, print a table (DATA=folder: on your own sequences)
	$(call say,Training a small tracker with and without the schedule)
	$(BIN)/python -m examples.tracker.demo $(if $(DATA),--data "$(DATA)")

# == Check
test: ## the checks of continuous integration, except make floor
	@$(MAKE) --no-print-directory lint types docs oldest frameworks suite
	$(call say,All checks passed)

lint: $(VENV)/ready ## style, and no syntax or library newer than Python 3.8
	$(call say,Style: ruff)
	$(BIN)/ruff check --output-format concise
	$(BIN)/ruff format --check
	$(call say,Nothing newer than Python 3.8: vermin)
	$(BIN)/vermin --target=3.8- --violations --no-tips sstrack_sched

types: $(VENV)/ready ## strict types
	$(call say,Types: mypy --strict)
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_types.py -q # a user's code

suite: $(VENV)/ready ## tests, doctests, snippets of README and docs, wheel and sdist
	$(call say,Tests: package and examples and snippets and built wheel)
	$(BIN)/python -m pytest $(addprefix --ignore=,$(OPENVINO_TESTS) tests/test_types.py)
	$(BIN)/python -m pytest $(OPENVINO_TESTS) -q # apart: tests/conftest.py says why

docs: $(VENV)/ready ## the documentation, warnings as errors, in docs/_build/html
	$(call say,Documentation: sphinx with warnings as errors)
	$(BIN)/sphinx-build -W --keep-going -q -E docs docs/_build/html
	@echo "docs/_build/html/index.html"

oldest: $(OLDEST)/ready ## core and adapters on the oldest NumPy and SciPy that this Python has wheels for
	$(call say,Tests on the oldest NumPy and SciPy for this Python)
	@$(OLDEST)/bin/python -c $(SAY_VERSIONS)
	$(OLDEST)/bin/python $(CORE_TESTS)

frameworks: $(FRAMEWORKS)/ready ## the adapters under Lightning, Accelerate and MMEngine, and the loop in JAX
	$(call say,Tests under Lightning and Accelerate and MMEngine and JAX)
	$(FRAMEWORKS)/bin/python -m pytest tests/frameworks tests/test_record.py -q
	SOURCE=items $(FRAMEWORKS)/bin/python -m pytest tests/frameworks -q -k goes_on_exactly # a plain dataset resumes as well

floor: $(FLOOR)/ready ## the same on Python 3.8, NumPy 1.20, SciPy 1.6, torch 1.9 (optional: needs a python3.8, or PYTHON38=path)
	$(call say,Tests on Python 3.8 with NumPy 1.20 and SciPy 1.6 and torch 1.9)
	@$(FLOOR)/bin/python -c $(SAY_VERSIONS)
	$(FLOOR)/bin/python $(CORE_TESTS)

coverage: $(VENV)/ready ## lines of the package that its tests run
	$(BIN)/python $(CORE_TESTS) --cov=sstrack_sched --cov-report=term-missing:skip-covered

# == Measure
evidence: $(VENV)/ready ## the tables of "Does it help?", 15 CPU minutes in two processes (MAP=1: the map too, 53 more)
	$(call say,The controlled study)
	$(BIN)/python -m examples.controlled_study --out docs/evidence/controlled --page docs/evidence.md $(if $(MAP),--map)

bench: $(VENV)/ready ## every benchmark that needs no checkout and no GPU, one after the other
	@for script in $(filter-out benchmarks/gpu.py,$(wildcard benchmarks/[a-z]*.py)); do printf '\n== %s\n' "$$script"; $(BIN)/python "$$script"; done

# == Keep tidy
format: $(VENV)/ready ## let ruff rewrite the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean: ## remove what was built, the environments too
	rm -rf $(VENV) $(OLDEST) $(FRAMEWORKS) $(FLOOR) build dist docs/_build
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- environments --------------------------------------------------------------------------
# `ready` is written last. Without it (first time, or interrupted) the environment starts afresh;
# with an outdated one it is brought up to date in place.

define start_environment
	@if [ -e $@ ]; then rm $@; else $(2) -m venv --clear $(1); fi
endef

$(VENV)/ready: pyproject.toml constraints.txt
	$(call say,Setting up $(VENV) from constraints.txt (a few minutes the first time))
	@$(PYTHON) -c 'import sys; sys.exit("make needs Python 3.11 or newer; $(PYTHON) is %d.%d (PYTHON=path picks another)" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(call start_environment,$(VENV),$(PYTHON))
	@$(BIN)/python $(PIP_INSTALL) -c constraints.txt hatchling editables
	@$(BIN)/python $(PIP_INSTALL) -c constraints.txt --no-build-isolation -e '.[dev]'
	@touch $@

$(OLDEST)/ready: constraints-oldest.txt
	$(call say,Setting up $(OLDEST) from constraints-oldest.txt)
	$(call start_environment,$(OLDEST),$(PYTHON))
	@$(OLDEST)/bin/python $(PIP_INSTALL) --only-binary :all: -c constraints-oldest.txt $(CORE_NEEDS)
	@touch $@

$(FRAMEWORKS)/ready: constraints-frameworks.txt
	$(call say,Setting up $(FRAMEWORKS) from constraints-frameworks.txt)
	$(call start_environment,$(FRAMEWORKS),$(PYTHON))
	@$(FRAMEWORKS)/bin/python $(PIP_INSTALL) --only-binary :all: -c constraints-frameworks.txt $(FRAMEWORK_NEEDS)
	@touch $@

$(FLOOR)/ready: constraints-oldest.txt
	@command -v $(PYTHON38) >/dev/null && $(PYTHON38) -c '' || { echo "make floor needs Python 3.8; name one with PYTHON38=path"; exit 1; }
	$(call say,Setting up $(FLOOR) from constraints-oldest.txt (a large download the first time))
	$(call start_environment,$(FLOOR),$(PYTHON38))
	@$(FLOOR)/bin/python $(PIP_INSTALL) --only-binary :all: -c constraints-oldest.txt $(CORE_NEEDS)
	@touch $@
