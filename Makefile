# Commands for people and for CI. `make help` lists them.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo website stop test benchmark check format requirements clean

help: ## List these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  make %-14s%s\n' "$$name" "$$text"; done

setup: .venv/.installed ## Build .venv with everything in it, from hashed pins

.venv/.installed: requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11, 3.12 or 3.13 found; install one or name it: make PYTHON=..."; exit 1; }
	@echo "Setting up .venv with $(PYTHON) (a minute or two, about 3 GB)"
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## Run a whole night in Airflow: on RATINGS_CSV=path, or on a made-up world
	@$(BIN)/python scripts/demo.py

website: setup ## Show the example website on the demo's database, or on WEBSITE_DATABASE_URL
	@export WEBSITE_DATABASE_URL="$${WEBSITE_DATABASE_URL:-$$($(BIN)/recommender-job db url)}"; \
	echo "Open http://127.0.0.1:8000/?user=42"; cd examples/website && ../../$(BIN)/uvicorn app:app --port 8000 --log-level warning

stop: setup ## Stop the embedded PostgreSQL that the demo leaves running
	$(BIN)/recommender-job db stop

test: setup ## Run the tests; RATINGS_CSV=path adds those on real ratings
	$(BIN)/python -m pytest

benchmark: setup ## Measure accuracy, training, extraction and reading beside references; RATINGS_CSV=path or made up
	$(BIN)/python -m benchmarks.training_time
	$(BIN)/python -m benchmarks.accuracy
	$(BIN)/python -m benchmarks.extraction --rows 2000000
	$(BIN)/python -m benchmarks.readers

check: setup ## Check style, types, the direction of imports, and the SQL
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint --disable-progress-bar sql

format: setup ## Put the code into the shape that `make check` asks for
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

requirements: setup ## Compile requirements.txt from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --all-extras --generate-hashes --no-header pyproject.toml -o requirements.txt

clean: ## Delete .venv and caches; var/, which holds data, stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
