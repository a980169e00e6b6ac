# make setup   install into .venv        make test    all tests
# make demo    train, compare, show      make lint    format, ruff, mypy
# make bench   benchmarks                make docs    pages and pictures of scenarios, radio, results, entries
# make site    the pages as a site, in site/
# make published   errors of the cost model, published results beside ours
# make examples    TorchRL, RLlib and BenchMARL, each in an environment of its own
# make clean   remove what the others made

VENV := .venv
PY := $(VENV)/bin/python
EDGE6G := $(VENV)/bin/edge6g
STAMP := $(VENV)/.installed
SITE_STAMP := $(VENV)/.installed-docs
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

DEMO := runs/demo
EXAMPLES := .examples
RULES := random,local,cloud,round-robin,jsq,greedy,restricted,static

.PHONY: setup demo test lint bench published docs site examples example-torchrl example-rllib example-benchmarl clean
.DEFAULT_GOAL := setup

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "edge6g needs Python 3.11 or newer with venv; set PYTHON=/path/to/python" >&2; exit 2; }
	@echo "Installing edge6g and its pinned dependencies into $(VENV): one to three minutes."
	@$(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(STAMP)
	@$(EDGE6G) train --scenario shard --algo scorer --minutes 2 --seed 0 --threads 2 --out $(DEMO)/train --overwrite
	@$(EDGE6G) compare --scenario shard --policies $(RULES),$(DEMO)/train --seeds 20 --out $(DEMO)/compare --overwrite
	@echo
	@echo "Learning curves and comparison together: $(VENV)/bin/tensorboard --logdir $(DEMO)"
	@echo "Checkpoint: $(DEMO)/train"

# A file's tests share what they make; many wait for processes of their own: one worker more than cores of a small machine.
test: $(STAMP)
	@OMP_NUM_THREADS=1 $(PY) -m pytest -n 3 --dist loadfile

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
	@$(PY) docs/make_ranking.py
	@$(PY) docs/make_entries.py
	@$(PY) docs/make_radio.py
	@$(PY) docs/make_looking.py

$(SITE_STAMP): $(STAMP)
	@$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@touch $@

# Warnings are errors (mkdocs.yml): links, anchors and the navigation are checked. The variable silences a notice about other tools.
site: $(SITE_STAMP)
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build
	@echo "site/index.html"

# They do not install beside the pins, so each has a list of its own, and edge6g is put beside it as it is.
examples: example-torchrl example-rllib example-benchmarl

example-torchrl: $(EXAMPLES)/torchrl/.installed
	OMP_NUM_THREADS=1 $(EXAMPLES)/torchrl/bin/python examples/torchrl/ippo.py --frames 10000

example-rllib: $(EXAMPLES)/rllib/.installed
	OMP_NUM_THREADS=1 $(EXAMPLES)/rllib/bin/python examples/rllib/masked_ppo.py --steps 10000

example-benchmarl: $(EXAMPLES)/benchmarl/.installed
	OMP_NUM_THREADS=1 $(EXAMPLES)/benchmarl/bin/python examples/benchmarl/run.py --frames 10000

$(EXAMPLES)/%/.installed: examples/%/requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "edge6g needs Python 3.11 or newer with venv; set PYTHON=/path/to/python" >&2; exit 2; }
	@echo "Installing what examples/$*/requirements.txt lists into $(EXAMPLES)/$*: some minutes, 1.6 GB."
	@$(PYTHON) -m venv $(EXAMPLES)/$*
	@$(EXAMPLES)/$*/bin/python -m pip install --quiet --disable-pip-version-check -r examples/$*/requirements.txt
	@$(EXAMPLES)/$*/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

clean:
	rm -rf $(VENV) $(EXAMPLES) $(DEMO) site build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
