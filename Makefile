# Everything starts from a fresh clone with Python 3.11+ and make. `make help` lists the rest.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
TOOLS := .venv/tools
# Seeds and counts of the long runs; raise the count for a harder one.
SEED ?= 0
COUNT ?= 40
WORKFLOWS := .github/workflows/ci.yml src/burnish/pipeline/template/workflow.yml

.PHONY: help setup run check lint types test slow bench torture image-smoke docs clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

setup: $(TOOLS)  ## make .venv with the package and its tools, and get what tests start
	@tests/install-programs

$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed"'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[starter]'
	touch $(READY)

$(TOOLS): $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[starter,dev]'
	touch $(TOOLS)

run: $(READY)  ## fine-tune the starter on made-up clauses, and say whether it is worth shipping
	$(BIN)/burnish run

check: lint types  ## everything that is fast

lint: setup  ## format, lint, import contracts, generated docs, container, workflows
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check
	$(BIN)/hadolint Dockerfile src/burnish/pipeline/template/Dockerfile
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows $(WORKFLOWS)
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec compose.yaml
	$(BIN)/zizmor --offline --quiet --no-progress $(WORKFLOWS)

types: setup  ## mypy
	$(BIN)/mypy

test: setup  ## the default suite: no network, no GPU, random order, a file of tests a core
	OMP_WAIT_POLICY=PASSIVE OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile

slow: setup  ## long runs of the suite
	BURNISH_SLOW_COUNT=$(COUNT) $(BIN)/pytest -m slow

bench: setup  ## speed beside the peers, one JSON line each
	$(BIN)/python benchmarks/train_classifier.py
	$(BIN)/python benchmarks/train_generator.py --task causal --rows 64 --rounds 1
	$(BIN)/python benchmarks/train_generator.py --task seq2seq --rows 32 --rounds 1
	$(BIN)/python benchmarks/generate.py --rows 40 --rounds 1

torture: setup  ## kill and fuzz runs: SEED and COUNT can be set
	BURNISH_TORTURE_SEED=$(SEED) BURNISH_TORTURE_COUNT=$(COUNT) $(BIN)/pytest -m torture

image-smoke: setup  ## each line of the Dockerfile in a clean folder; minutes, and the network
	PYTHONPATH=deploy $(BIN)/python -m smoke

docs: setup  ## write the generated reference pages
	$(BIN)/python docs/generate.py

clean:  ## remove what was built here; runs and stores stay
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
