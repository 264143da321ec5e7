# netswap's commands. `make demo` and `make test` need make, a Python 3.11 or newer with venv, and nothing else.

PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
UV := uv==0.13.9
COMPILED := build/compiled
SPREAD := --numprocesses auto --dist loadgroup
SITE := build
# What compiling has put into build/ goes; what others have made there stays.
TIDY := find build -mindepth 1 -maxdepth 1 ! -name compiled ! -name wheel ! -name site ! -name pages -exec rm -rf {} +
PAGES := *.md CITATION.cff LICENSE Makefile setup.py docs examples netswap protocol actors cluster configs tests benchmarks
SOURCES := $(shell find protocol actors cluster configs -name '*.py' -o -name '*.yaml')

# Looked for in this order; each is tried out, because a name on the PATH may be an empty shim.
CANDIDATES := $(PYTHON) $(if $(PYTHON),,python3 python3.13 python3.12 python3.11 python3.14)
USABLE := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 15))

.DELETE_ON_ERROR:
.PHONY: help venv compiled wheel test demo docs figures soak digests digests-write bench lint lock clean

help:
	@echo 'make demo    show the deadlock of 2007 and its cure, on a private local Ray cluster'
	@echo 'make test    lint, types, tests'
	@echo 'make soak    the slow tests'
	@echo 'make digests  everything that has a digest, compared with the committed ones; digests-write writes them'
	@echo 'make bench   the benchmarks, or those named in ONLY: ONLY=table is the table of docs/benchmarks.md'
	@echo 'make docs    the documents as a site, into $(SITE)/site'
	@echo 'make figures  the pictures of the documents, drawn anew from runs'
	@echo 'make lint    lint and types only'
	@echo 'make venv    only set up, into $(VENV)'
	@echo 'make compiled  the same modules compiled, twice as fast, into $(COMPILED); needs a C compiler and Python'\''s headers'
	@echo 'make wheel   a wheel of the compiled modules, into build/wheel'
	@echo 'make lock    write requirements.lock anew'
	@echo 'make clean   remove what these made'

venv: $(VENV)/.installed
	@:

# The libraries, from scratch whenever the lock changes: a half-made environment has no stamp and is not trusted.
$(VENV)/.locked: requirements.lock
	@for python in $(CANDIDATES); do \
	  if "$$python" -c '$(USABLE)' >/dev/null 2>&1; then \
	    echo "setting up $(VENV) with $$("$$python" -c 'import platform, sys; print(sys.executable, platform.python_version())') (once, a minute or so)"; \
	    rm -rf $(VENV) && "$$python" -m venv $(VENV) && \
	    $(PIP) install --quiet --only-binary :all: --require-hashes -r requirements.lock && touch $@; \
	    exit; \
	  fi; \
	done; \
	echo 'netswap needs Python 3.11 to 3.14 with venv and pip, and found none under these names: $(CANDIDATES).' >&2; \
	echo 'Name one with `make PYTHON=/path/to/python3 ...`; on Debian or Ubuntu `apt install python3-venv` may be missing.' >&2; \
	exit 1

# netswap itself, editable.
$(VENV)/.installed: $(VENV)/.locked pyproject.toml
	@echo 'installing netswap'
	@NETSWAP_COMPILE= $(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# A copy of its own, which the command runs as long as it is as new as the sources; tests run the sources.
compiled: $(COMPILED)/.made
	@echo '$(BIN)/netswap runs it, until a source is changed; NETSWAP_PLAIN=1 $(BIN)/netswap runs the sources'

# For this Python and this kind of computer.
wheel: venv
	@echo 'building a wheel (four minutes)'
	@mkdir -p build && $(TIDY)
	@NETSWAP_COMPILE=1 $(PIP) wheel --quiet --no-deps --no-build-isolation --wheel-dir build/wheel .
	@$(TIDY)
	@ls build/wheel/*.whl

# As old as its beginning: what is changed meanwhile is newer.
$(COMPILED)/.made: $(VENV)/.installed setup.py $(SOURCES)
	@echo 'compiling (two minutes)'
	@rm -rf $(COMPILED) && mkdir -p build && $(TIDY) && touch build/.began
	@NETSWAP_COMPILE=1 $(PIP) install --quiet --no-deps --no-build-isolation --target $(COMPILED) .
	@touch -r build/.began $@
	@$(TIDY)

lint: venv
	@echo 'ruff'
	@$(BIN)/python -m ruff check --quiet .
	@$(BIN)/python -m ruff format --check --quiet .
	@echo 'mypy'
	@$(BIN)/python -m mypy

test: lint
	@echo 'pytest'
	@$(BIN)/python -m pytest $(SPREAD) -m 'not slow'

soak: venv
	@echo 'pytest, the slow tests'
	@$(BIN)/python -m pytest $(SPREAD) --timeout 3600 -m slow

# Of every scenario, claim and experiment, or of those with ONLY in their names: what differs from what was committed.
digests: venv
	@$(BIN)/python tests/digests/digests.py $(ONLY)

digests-write: venv
	@$(BIN)/python tests/digests/digests.py --write $(ONLY)

demo: venv
	@$(BIN)/python -m netswap.cluster.command.demo

# Pages stand in the site as in the repository, and so do the sources that they name.
docs: venv
	@rm -rf $(SITE)/pages $(SITE)/site && mkdir -p $(SITE)/pages
	@cp -RP $(PAGES) $(SITE)/pages && cp zensical.toml $(SITE)
	@find $(SITE)/pages \( -name __pycache__ -o -type l \) -prune -exec rm -rf {} +
	@$(BIN)/zensical build --strict --config-file $(SITE)/zensical.toml

# The pictures of the documents, each from a run: three minutes.
figures: venv
	@$(BIN)/python docs/figures/figures.py

bench: venv
	@$(MAKE) --no-print-directory compiled || echo 'not compiled: plain Python only'
	@$(BIN)/python -m benchmarks.run $(ONLY)

# Needs the network; everything else works from what `make venv` installed.
lock: venv
	@echo 'resolving requirements.lock'
	@rm -rf build/lock && $(BIN)/python -m venv build/lock && build/lock/bin/python -m pip install --quiet '$(UV)'
	@build/lock/bin/uv pip compile --quiet --upgrade --all-extras --python-version 3.11 pyproject.toml -o requirements.lock
	@rm -rf build/lock

clean:
	@rm -rf $(VENV) build *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
