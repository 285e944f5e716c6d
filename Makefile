# `make run` does the main job on the shipped model; `make test` passes the tests. Both set up .venv first.
PYTHON ?= python3
VENV ?= .venv
RUN_ARGS ?=
TEST_ARGS ?= -m "not slow"
# Two processes of one thread each: sharing one's threads gains little, the tests' networks being small. By file, since
# a file's tests share fixtures that take long to make.
TEST_SPLIT ?= -n 2 --dist loadfile

BIN := $(VENV)/bin
READY := $(VENV)/.ready
# The one place that pins torch is pyproject.toml.
TORCH := torch==$(shell sed -n 's/.*"torch==\([0-9.]*\)".*/\1/p' pyproject.toml)

.PHONY: run test lint clean
run: $(READY)
	$(BIN)/fer-deploy run $(RUN_ARGS)

test: $(READY) lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(TEST_SPLIT) $(TEST_ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# PyPI's torch for Linux is a CUDA build of several GB. Its CPU build is called ...+cpu: taken from an index that
# pip is already set up with, else from PyTorch's own. macOS has a CPU build only, under the plain version.
$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
ifeq ($(shell uname -s),Linux)
	$(BIN)/pip install --quiet --no-deps '$(TORCH)+cpu' \
	  || $(BIN)/pip install --quiet --no-deps '$(TORCH)+cpu' --index-url https://download.pytorch.org/whl/cpu
endif
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) dist
