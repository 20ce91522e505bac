# Two commands are all it takes: `make run` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv/bin
# Threads that wait must sleep soon: spinning ones make everything else on a busy core several times slower.
export OMP_WAIT_POLICY ?= PASSIVE
export GOMP_SPINCOUNT ?= 1000
WORKERS ?= 2
.DEFAULT_GOAL := help
.PHONY: help runtime setup web run dev format lint openapi test test-all bench assets lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

runtime:
	@$(PYTHON) tools/setup_env.py

setup:  ## runtime and development tools in .venv, packages of the web app
	@$(PYTHON) tools/setup_env.py --dev
	@$(VENV)/python tools/build_web.py --install-only

web: runtime  ## build the web app, if its sources changed
	@$(VENV)/python tools/build_web.py

run: runtime  ## install, build and start on http://127.0.0.1:8000 (honours HOST, PORT, LLMP_WORKSPACE)
	@$(VENV)/python tools/build_web.py || true
	@exec $(VENV)/llmp serve

dev: setup  ## server on 8000 and web app on 3000, both reloading
	@$(VENV)/python tools/dev.py

format:  ## format all sources
	@$(VENV)/ruff check --quiet --fix backend tools benchmarks && $(VENV)/black --quiet backend tools benchmarks
	@cd frontend && npm run --silent format -- --write

lint:  ## ruff, black, mypy, import-linter; eslint, prettier, tsc
	$(VENV)/ruff check backend tools benchmarks
	$(VENV)/black --quiet --check backend tools benchmarks
	$(VENV)/mypy
	$(VENV)/lint-imports --no-cache
	$(VENV)/python tools/frontend.py lint

openapi: setup  ## describe the API anew and make the web app's types from it
	$(VENV)/python -m llm_playground.api.openapi > frontend/openapi.json
	$(VENV)/python tools/frontend.py gen:api

test: setup web  ## everything: set-up, lint, tests with coverage, web app, browser
	@$(VENV)/python tools/ensure_browser.py
	$(MAKE) --no-print-directory lint
	OMP_NUM_THREADS=1 $(VENV)/python -m pytest -n $(WORKERS) --dist loadgroup -m "not slow" --cov --cov-report=term:skip-covered
	$(VENV)/python tools/frontend.py test

test-all: setup web  ## the same with fresh seeds, all themes and sizes, many kills
	@$(VENV)/python tools/ensure_browser.py
	$(MAKE) --no-print-directory lint
	OMP_NUM_THREADS=1 HYPOTHESIS_PROFILE=fresh $(VENV)/python -m pytest -n $(WORKERS) --dist loadgroup --cov --cov-report=term:skip-covered
	$(VENV)/python tools/frontend.py test

bench: setup  ## measure beside the reference libraries, as ratios
	$(VENV)/python -m benchmarks.run

assets: setup  ## remake the example model and the tokenizers that come with the program
	$(VENV)/python tools/make_assets.py

lock:  ## resolve the pinned versions anew
	$(VENV)/python tools/lock.py

clean:  ## remove what was built; the workspace stays
	rm -rf .venv frontend/node_modules frontend/.next frontend/out backend/llm_playground/web .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis
