PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
# uv makes the environment where it is found, venv and pip do elsewhere.
UV := $(shell command -v uv)
INSTALL := $(if $(UV),$(UV) pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip install --quiet --disable-pip-version-check) --constraint constraints.txt

# Tests start many Pythons: compile what they share once.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-lowest test-latest conformance conformance-tables bench lint fix manifest variables links picture bundle check-bundle constraints clean

demo: .venv/demo
	$(BIN)/openrouter-mcp demo

test: lint
	$(BIN)/pytest -q -n auto

# The suite at the lowest versions that pyproject.toml allows, and at the latest; needs uv.
test-lowest: RESOLUTION := lowest-direct
test-latest: RESOLUTION := highest
test-lowest test-latest:
	uv venv --quiet --clear --python $(PYTHON) build/$@
	uv pip install --quiet --python build/$@ --resolution $(RESOLUTION) --editable '.[dev]'
	build/$@/bin/python -m pytest -q -n auto

# The MCP conformance suite and the Inspector, which come from the npm registry.
conformance: .venv/node
	$(BIN)/python -m tests.conformance

conformance-tables: .venv/node
	$(BIN)/python -m tests.conformance --write

bench: .venv/test
	$(BIN)/python -m tests.bench

lint: .venv/test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/ty check

fix: .venv/test
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.venv:
	$(if $(UV),$(UV) venv --quiet --python $(PYTHON) .venv,$(PYTHON) -m venv .venv)

.venv/demo: pyproject.toml constraints.txt | .venv
	$(INSTALL) --editable .
	touch $@

.venv/test: pyproject.toml constraints.txt | .venv
	$(INSTALL) --editable '.[dev]'
	touch $@ .venv/demo

.venv/node: .venv/test
	$(INSTALL) --editable '.[conformance]'
	touch $@

manifest: .venv/test
	$(BIN)/python -m tests.support.opening

variables: .venv/test
	$(BIN)/python -m scripts.variables

links: .venv/test
	$(BIN)/python -m scripts.readme

picture: .venv/test
	$(BIN)/python -m scripts.session

bundle: .venv/test
	$(BIN)/python -m scripts.bundle

# The tool of those who made the format comes from the npm registry.
check-bundle: bundle
	rm -rf build/bundle
	npx --yes @anthropic-ai/mcpb@2.1.2 unpack dist/*.mcpb build/bundle
	npx --yes @anthropic-ai/mcpb@2.1.2 validate build/bundle/manifest.json

constraints: .venv/test
	$(BIN)/python -m pip freeze --exclude-editable > constraints.txt

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis build dist
