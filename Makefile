# Two commands matter: `make demo` and `make test`. Each installs what it needs into .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV_VERSION := 0.13.9
ARGS   ?=

# Programs start several times faster from compiled modules. Some environments forbid Python to keep them.
unexport PYTHONDONTWRITEBYTECODE
export UV_COMPILE_BYTECODE := 1
# A clean clone need not look at all types again: what has the same content as in the last one is known.
export MYPY_CACHE_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/kaeru/mypy

.PHONY: demo demo-check demo-k8s demo-k8s-check demo-swarm demo-swarm-check test lint format bench cluster-up cluster-down lock clean

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit("kaeru needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12 $(MAKECMDGOALS)") if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv $(VENV) || { echo "Could not make a virtual environment. On Debian or Ubuntu: sudo apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(VENV)/.runtime: requirements.lock pyproject.toml | $(BIN)/uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.lock
	@touch $@

demo demo-check demo-k8s demo-k8s-check demo-swarm demo-swarm-check: $(VENV)/.runtime
	@$(BIN)/kaeru demo $(DEMO) $(if $(PORT),--port $(PORT)) $(if $(DATA),--data "$(DATA)") $(ARGS)

demo-check:       DEMO = --check
demo-k8s:         DEMO = --on kubernetes
demo-k8s-check:   DEMO = --on kubernetes --check
demo-swarm:       DEMO = --on swarm
demo-swarm-check: DEMO = --on swarm --check

# The linters run beside what the tests need before they can begin.
test: $(VENV)/.dev
	@$(BIN)/python -m tests.run $(ARGS)

lint: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: $(VENV)/.dev
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/.dev
	@$(BIN)/python -m tests.bench $(ARGS)

cluster-up: $(VENV)/.runtime
	@$(BIN)/python -m sandbox.clusters up $(ARGS)

cluster-down: $(VENV)/.runtime
	@$(BIN)/python -m sandbox.clusters down $(ARGS)

lock: | $(BIN)/uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --group build --all-extras pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --group build --group dev --all-extras -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:
	@rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis
