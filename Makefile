PYTHON ?= python3
PORT ?= 8000
UV ?= uv
BIN := .venv/bin
unexport PYTHONDONTWRITEBYTECODE  # else each of the many processes of a run compiles everything again

.DEFAULT_GOAL := help
.PHONY: help demo check test slow lint types sources contracts checks format lock bench release clean
.SILENT:

help:
	echo "make demo [PORT=8000]   try the product: one command, nothing to install beside Python 3.11"
	echo "make check              linters, types, import contracts, migrations, and the quick tests, on SQLite"
	echo "make test               that, and the tests on PostgreSQL and Redis with browser and front server: minutes"
	echo "make slow               storms, long faults, and programs made for Statuspage"
	echo "                        each with ONLY=tests/status or ONLY=tests/status/test_feeds.py::test_..."
	echo "make format             let ruff put the source in order"
	echo "make bench [NAME=...]   list the benchmarks, or run one"
	echo "make lock               resolve pyproject.toml anew into requirements/ (needs uv)"
	echo "make release            build what a release consists of from the newest commit, into dist/"
	echo "make clean              remove what make made (the demonstration's data in var/ stays)"

demo: .venv/run.stamp
	exec $(BIN)/python manage.py demo --port $(PORT)

# One more than there are processors: many tests wait for a server, a browser or a clock.
PROCESSES := -n $$(($$(getconf _NPROCESSORS_ONLN) + 1)) --dist worksteal
# Databases and published files, which are synced, lie in memory where it has room (2 GB).
FREE := $(shell df --output=avail /dev/shm 2>/dev/null | tail -n 1)
IN_MEMORY := $(if $(TMPDIR),,$(shell [ $(or $(FREE),0) -gt 2000000 ] && [ -w /dev/shm ] && echo TMPDIR=/dev/shm))
TESTS = $(IN_MEMORY) $(BIN)/python -m pytest $(PROCESSES) $(ONLY)
NONE := || [ $$? = 5 ]  # ONLY may name a place with no tests of a kind

check: $(if $(ONLY),.venv/dev.stamp,lint)
	echo "== quick tests, on SQLite"
	$(TESTS) --sqlite -m "not ($(LONG) or slow)" $(NONE)

test: $(if $(ONLY),.venv/dev.stamp,lint)
	echo "== tests on PostgreSQL and Redis"
	$(TESTS) -m "not slow" $(NONE)
	echo "== tests on SQLite, of what differs there"
	$(TESTS) --sqlite -m "both and not slow" $(NONE)

slow: .venv/clients.stamp
	echo "== slow tests, on PostgreSQL and Redis"
	$(TESTS) -m slow $(NONE)
	echo "== slow tests on SQLite, of what differs there"
	$(TESTS) --sqlite -m "both and slow" $(NONE)
	$(if $(ONLY),,RACES=10 $(TESTS) tests/incidents/test_races.py tests/portal/test_api_races.py)

# What takes long: other programs, and processes that must first start
LONG := long or browser or clients or nginx or processes

# Reading the settings takes a key and a folder; nothing is signed with the one or kept in the other.
CLEAN := env -i PATH="$$PATH" SECRET_KEY=for-the-linters-only-nothing-is-signed-with-it DATA_DIR="$(CURDIR)/.venv/lint"

lint: .venv/dev.stamp
	mkdir -p .venv/lint
	$(MAKE) --no-print-directory --jobs=2 types sources contracts checks

types:
	echo "== types"
	$(CLEAN) $(BIN)/mypy

sources:
	echo "== linters"
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/djlint --lint --quiet templates

contracts:
	echo "== import contracts"
	$(BIN)/lint-imports --no-logo

checks:
	echo "== Django's own checks"
	$(CLEAN) $(BIN)/python -W error manage.py check --fail-level WARNING
	$(CLEAN) $(BIN)/python -W error manage.py makemigrations --check --dry-run

format: .venv/dev.stamp
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: .venv/dev.stamp
	$(if $(NAME),$(BIN)/python -m bench.$(NAME),echo "make bench NAME=..., one of:" $(basename $(notdir $(wildcard bench/[a-z]*.py))))

lock:
	$(UV) lock --quiet --upgrade
	$(UV) export --quiet --frozen --no-header --no-dev --output-file requirements/run.txt
	$(UV) export --quiet --frozen --no-header --only-dev --output-file requirements/dev.txt
	rm uv.lock  # it names the index it was made with
	$(UV) pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-annotate --no-emit-index-url \
	  --python-version 3.11 requirements/clients.in --output-file requirements/clients.txt

# The same bytes from the same commit, whoever builds it and where. The sdist is also what the image is built from.
release: .venv/dev.stamp
	rm -rf dist
	mkdir -p dist/tree
	git archive HEAD | tar --extract --directory dist/tree
	cd dist/tree && SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) "$(CURDIR)/$(BIN)/hatchling" build --directory ..
	$(BIN)/python requirements/sbom.py $$(sed -n 's/__version__ = "\(.*\)"/\1/p' portal/__init__.py) > dist/sbom.cdx.json
	rm -r dist/tree
	cd dist && sha256sum * | tee SHA256SUMS

clean:
	rm -rf dist .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/dev.stamp: .venv/run.stamp

# Programs made for Statuspage, which tests run; they pin what we do not, so they live apart. Without npm they stay away.
.venv/clients.stamp: requirements/clients.txt tests/clients/package-lock.json .venv/dev.stamp
	if command -v npm >/dev/null; then \
	  $(PYTHON) -m venv .venv/clients && \
	  .venv/clients/bin/python -m pip install -qq --disable-pip-version-check --require-hashes --requirement $< && \
	  cp tests/clients/package.json tests/clients/package-lock.json .venv/clients/ && \
	  (cd .venv/clients && npm ci --silent --no-audit --no-fund --ignore-scripts) && touch $@; \
	fi

.venv/%.stamp: requirements/%.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "This needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1). Name another one: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments: install its venv module (Debian, Ubuntu: apt-get install python3-venv)."; exit 1; }
	echo "Installing $< into .venv"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes --requirement $<
	touch $@
