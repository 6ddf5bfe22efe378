# Two commands matter: `make demo` and `make test`. Both create the environment they need in $(VENV).
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
export OMP_NUM_THREADS ?= 1

.PHONY: demo test lint types layers format install bench bench-tabular audit audit-evaluation constraints clean

demo: $(VENV)/.report          ## the main job on the bundled real data: demo-release/
	$(BIN)/tabsynth release demo:rand_hie --epsilon 1 --ledger demo-books/ledger --log demo-books/log --seed 1 --force -o demo-release

test: $(VENV)/.test            ## the whole test suite
	$(BIN)/python -m pytest -q -n 2

lint: $(VENV)/.dev
	$(BIN)/ruff check .

types: $(VENV)/.dev
	$(BIN)/mypy

layers: $(VENV)/.dev
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .

audit: $(VENV)/.test           ## the privacy audit of the program, and 14 planted bugs that it must catch: two minutes
	$(BIN)/tabsynth audit
	$(BIN)/python -m tests.privacy.mutations

audit-evaluation: $(VENV)/.core  ## false alarms, copiers caught, planted cases: about an hour on 2 cores
	$(BIN)/python scripts/audit_evaluation.py planted --units 2500
	$(BIN)/python scripts/audit_evaluation.py null --runs 200 --units 1000 5000

bench: $(VENV)/.core           ## time, memory, fidelity: needs TABSYNTH_DATA, and HARNESS for fidelity
	$(BIN)/python scripts/bench.py answers
	$(BIN)/python scripts/bench.py release --data "$(TABSYNTH_DATA)"
	$(BIN)/python scripts/bench.py evaluate --data "$(TABSYNTH_DATA)"
	$(BIN)/python scripts/bench_dp.py noise
	$(BIN)/python scripts/bench_dp.py scale
	$(BIN)/python scripts/bench_dp.py tables --data "$(TABSYNTH_DATA)"
	$(if $(HARNESS),$(BIN)/python scripts/bench.py adult --data "$(TABSYNTH_DATA)" --harness "$(HARNESS)")
	$(if $(HARNESS),$(BIN)/python scripts/bench_dp.py adult --data "$(TABSYNTH_DATA)" --harness "$(HARNESS)")

bench-tabular: $(VENV)/.core   ## generators without a guarantee, ours and (PEERS=interpreter) others': TABSYNTH_DATA, HARNESS
	$(BIN)/python scripts/bench_tabular.py compare --data "$(TABSYNTH_DATA)" --harness "$(HARNESS)" --keep tabular.jsonl \
		$(if $(PEERS),--peers "$(PEERS)")
	$(BIN)/python scripts/bench_tabular.py scale --data "$(TABSYNTH_DATA)" --keep tabular.jsonl
	$(BIN)/python scripts/bench_tabular.py table --keep tabular.jsonl

install: $(VENV)/.dev          ## everything a contributor needs

$(VENV)/.venv:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tabsynth needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.core: $(VENV)/.venv pyproject.toml constraints.txt
	$(PIP) -e .
	touch $@

$(VENV)/.report: $(VENV)/.venv pyproject.toml constraints.txt
	$(PIP) -e '.[report]'
	touch $@

$(VENV)/.test: $(VENV)/.venv pyproject.toml constraints.txt
	$(PIP) -e '.[test]'
	touch $@

$(VENV)/.dev: $(VENV)/.venv pyproject.toml constraints.txt
	$(PIP) -e '.[test,dev]'
	touch $@

constraints: $(VENV)/.dev      ## pin what is installed now
	{ head -2 constraints.txt; $(BIN)/python -m pip freeze --exclude-editable; echo torch==2.13.0; } > constraints.new
	mv constraints.new constraints.txt

clean:
	rm -rf $(VENV) build dist demo-release demo-books .mypy_cache .ruff_cache .hypothesis
