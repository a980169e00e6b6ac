# make setup   install into .venv        make test    all tests
# make demo    train, compare, show      make lint    format, ruff, mypy
# make bench   benchmarks                make docs    pages and pictures of scenarios and radio
# make published   errors of the cost model, published results beside ours
# make clean   remove what the others made

VENV := .venv
PY := $(VENV)/bin/python
EDGE6G := $(VENV)/bin/edge6g
STAMP := $(VENV)/.installed
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

DEMO := runs/demo
RULES := random,local,cloud,round-robin,jsq,greedy,restricted,static

.PHONY: setup demo test lint bench published docs clean
.DEFAULT_GOAL := setup

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "edge6g needs Python 3.11 or newer with venv; set PYTHON=/path/to/python" >&2; exit 2; }
	@echo "Installing edge6g and its pinned dependencies into $(VENV): one to three minutes."
	@$(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(STAMP)
	@$(EDGE6G) train --scenario campus --algo scorer --minutes 2 --seed 0 --threads 2 --out $(DEMO)/train --overwrite
	@$(EDGE6G) compare --scenario campus --policies $(RULES),$(DEMO)/train --seeds 20 --out $(DEMO)/compare --overwrite
	@echo
	@echo "Learning curves and comparison together: $(VENV)/bin/tensorboard --logdir $(DEMO)"
	@echo "Checkpoint: $(DEMO)/train"

# The first line compiles the kernel into the cache, so that two processes do not do it twice. A file's tests share what they make.
test: $(STAMP)
	@$(PY) -c "import edge6g_env; edge6g_env.batch_env('tiny', num_worlds=1).reset(seed=0)"
	@OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --dist loadfile

lint: $(STAMP)
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy

bench: $(STAMP)
	@$(EDGE6G) bench
	@$(PY) benchmarks/replay.py
	@$(PY) benchmarks/slots.py

published: $(STAMP)
	@$(PY) benchmarks/cost_errors.py
	@$(PY) -m benchmarks.published

docs: $(STAMP)
	@$(PY) docs/make_scenarios.py
	@$(PY) docs/make_matrix.py
	@$(PY) docs/make_radio.py
	@$(PY) docs/make_looking.py

clean:
	rm -rf $(VENV) $(DEMO) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
