# make setup   install into .venv        make test    all tests
# make demo    train, compare, show      make lint    format, ruff, mypy
# make bench   benchmarks                make clean   remove what the others made

VENV := .venv
PY := $(VENV)/bin/python
EDGE6G := $(VENV)/bin/edge6g
STAMP := $(VENV)/.installed
PYTHON ?= $(shell for p in python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

DEMO := runs/demo
RULES := random,local,cloud,round-robin,jsq,greedy

.PHONY: setup demo test lint bench clean
.DEFAULT_GOAL := setup

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "edge6g needs Python 3.11 or newer; set PYTHON=/path/to/python" >&2; exit 2; }
	@echo "Installing edge6g and its pinned dependencies into $(VENV): one to two minutes, 2 GB."
	@$(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(STAMP)
	@$(EDGE6G) train --scenario campus --algo scorer --minutes 2 --seed 0 --out $(DEMO)/train --overwrite
	@$(EDGE6G) compare --scenario campus --policies $(RULES),$(DEMO)/train --seeds 20 --out $(DEMO)/compare --overwrite

test: $(STAMP)
	@$(PY) -m pytest -n 2

lint: $(STAMP)
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy

bench: $(STAMP)
	@$(PY) -m pytest benchmarks --benchmark-only

clean:
	rm -rf $(VENV) $(DEMO) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
