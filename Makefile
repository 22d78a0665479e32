# Commands for people and for CI. `make help` lists them.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
COMPOSE = $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)
STACK_HOME ?= var/stack
export STACK_HOME

.DEFAULT_GOAL := help
.PHONY: help setup demo website stop up up-worker down logs up-local down-local logs-local passwords tools \
	test test-stack test-workers bench check docs docs-configuration format requirements clean setup-gpu

help: ## List these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  make %-20s%s\n' "$$name" "$$text"; done

setup: .venv/.installed ## Build .venv with everything in it, from hashed pins

.venv/.installed: requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11, 3.12 or 3.13 found; install one or name it: make PYTHON=..."; exit 1; }
	@echo "Setting up .venv with $(PYTHON) (a minute or two, about 3 GB)"
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup-gpu: setup ## Add NVIDIA's libraries to .venv, for a machine with a graphics card (2.8 GB to download)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-gpu.txt
	@$(BIN)/python -c 'from recommender_job.ranking.cards import usable_cards; print("Cards:", *usable_cards("all_gpus") or ["none"])'

demo: setup ## Run a whole night in Airflow: on RATINGS_CSV=path, or on a made-up world
	@$(BIN)/python scripts/demo.py

website: setup ## Show the example website on the demo's database, or on WEBSITE_DATABASE_URL
	@export WEBSITE_DATABASE_URL="$${WEBSITE_DATABASE_URL:-$$($(BIN)/recommender-job db url)}"; \
	echo "Open http://127.0.0.1:8000/?user=42"; cd examples/website && ../../$(BIN)/uvicorn app:app --port 8000 --log-level warning

stop: setup ## Stop the embedded PostgreSQL that the demo leaves running
	$(BIN)/recommender-job db stop

up: setup ## Start the stack of docker-compose.yml; secrets are made on first use
	@$(BIN)/python -m scripts.stack secrets
	$(COMPOSE) up --detach --build

down: ## Stop it; the data stay
	$(COMPOSE) down

logs: ## Follow its logs
	$(COMPOSE) logs --follow --tail=100

up-worker: setup ## Start only a worker, on a machine beside the main one: MAIN_HOST in .env says which that is
	@$(BIN)/python -m scripts.stack secrets --worker
	$(COMPOSE) up --detach --build --no-deps airflow-worker

up-local: setup ## Start the same stack without Docker, with the embedded PostgreSQL
	@$(BIN)/python -m scripts.stack up

down-local: setup ## Stop it; the data stay
	@$(BIN)/python -m scripts.stack down

logs-local: ## Follow its logs
	tail --lines=20 --follow=name --retry $(filter-out %.before.log,$(wildcard $(STACK_HOME)/services/*.log)) $(STACK_HOME)/postgres/log

passwords: setup ## Say where the passwords of Airflow's pages are
	@$(BIN)/python -m scripts.stack passwords

tools: ## Install the Debian packages that the checks, the browser tests and native workers need
	scripts/install-tools.sh chromium docker-compose redis-server

test: setup ## Run the tests, three at a time, the slow ones first; RATINGS_CSV=path adds those on real ratings
	scripts/install-tools.sh chromium redis-server
	$(BIN)/python -m pytest --numprocesses=3 --dist=loadfile --no-loadscope-reorder --ignore=tests/stack

test-stack: setup ## Run nights on the whole stack, on one worker and on two, with faults, in a real browser; SCREENSHOTS=folder takes pictures
	scripts/install-tools.sh chromium redis-server
	$(BIN)/python -m pytest tests/stack

test-workers: setup ## Of these, only the night on two workers that share nothing but a database, a queue and a store
	scripts/install-tools.sh redis-server
	$(BIN)/python -m pytest tests/stack/test_two_workers.py

bench: setup ## Measure scoring, training, loading, accuracy, reading and overhead beside references; RATINGS_CSV=path or made up
	$(BIN)/python -m benchmarks.scoring
	$(BIN)/python -m benchmarks.training_steps
	$(BIN)/python -m benchmarks.training_memory
	$(BIN)/python -m benchmarks.training_time
	$(BIN)/python -m benchmarks.accuracy
	$(BIN)/python -m benchmarks.extraction --rows 2000000
	$(BIN)/python -m benchmarks.publication
	$(BIN)/python -m benchmarks.readers
	$(BIN)/python -m benchmarks.reading
	$(BIN)/python -m benchmarks.overhead
	$(BIN)/python -m benchmarks.growth --check --plots var

check: setup ## Check style, types, the direction of imports, the SQL, the compose file, and that the docs build
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint --disable-progress-bar sql
	@docker compose version >/dev/null 2>&1 || scripts/install-tools.sh docker-compose
	scripts/check-compose.sh $(COMPOSE)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

docs: setup ## Build the documentation's pages into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

docs-configuration: setup ## Write docs/configuration.md from the settings themselves
	$(BIN)/python -m scripts.configuration_page

format: setup ## Put the code into the shape that `make check` asks for
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

requirements: setup ## Compile the files of pins from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --extra build --extra dev --generate-hashes --no-header pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --extra build --generate-hashes --no-header --no-annotate \
		--constraint requirements.txt pyproject.toml -o requirements-runtime.txt
	# Of what the cards' machines need only what the others do not have, or everybody would download gigabytes.
	$(BIN)/uv pip compile --quiet --universal --extra gpu --generate-hashes --no-header --no-annotate \
		--constraint requirements.txt pyproject.toml -o requirements-gpu.all
	awk '/^[a-z]/ { keep = /^nvidia-/ } keep' requirements-gpu.all > requirements-gpu.txt
	rm requirements-gpu.all

clean: ## Delete .venv and caches; var/, which holds data, stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
