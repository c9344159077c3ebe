PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-slow lint bench gpu docs

# Set-up: everything into .venv, from PyPI only.
$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@

demo: $(READY)  ## train under three losses on the sample photographs and write the report
	$(BIN)/lossmith compare --config examples/demo.yaml

test: $(READY)  # a process per core, up to four, each with one thread
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" --numprocesses auto --maxprocesses 4 --dist loadfile

test-slow: test  ## all tests, and what other packages' losses make of the same hostile images
	$(BIN)/python -m pytest -m slow
	$(BIN)/python benchmarks/certificates.py --out runs/certificates && cat runs/certificates/reliability.md

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)  ## the benchmarks that take minutes and need no images of yours
	$(BIN)/python benchmarks/training_overhead.py
	$(BIN)/python benchmarks/help_time.py
	$(BIN)/python benchmarks/l1_then_l2.py
	$(BIN)/python benchmarks/structural_cost.py

gpu: $(READY)  ## everything that only a GPU can show, in 8 minutes, into runs/gpu
	$(BIN)/python benchmarks/on_gpu.py --minutes 8 --out runs/gpu

docs: $(READY)  ## write docs/cli.md from the help texts
	$(BIN)/python tools/cli_reference.py
