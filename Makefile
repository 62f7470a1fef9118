# Two commands on a fresh machine: make demo, make test. Each makes .venv when it is missing.
PYTHON ?= python3
BIN := .venv/bin
.PHONY: demo test lint docs audit venv clean

demo: .venv/.done
	rm -rf demo
	$(BIN)/velbo demo -o demo

test: lint
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal

lint: .venv/.done
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/pyright

docs: .venv/.done
	$(BIN)/zensical build --clean --strict

# needs the network: pip-audit asks PyPI for known faults of what is installed
audit: .venv/.done
	$(BIN)/python -m pip install -q bandit pip-audit
	$(BIN)/bandit -q -c pyproject.toml -r src
	$(BIN)/pip-audit --local

venv: .venv/.done

# torch first and pinned: an open range would fetch another, larger build
.venv/.done: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"velbo needs Python 3.11 or newer, $(PYTHON) is {v.major}.{v.minor}: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --upgrade pip
	$(BIN)/python -m pip install -q -c constraints.txt torch
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf .venv demo site dist
