# To start: `make demo`, then `make test`.
# Needs Python 3.11 or newer, git and make; everything else is set up in .venv.

.DEFAULT_GOAL := help
.PHONY: help demo test docs live crash fuzz accuracy coverage check format lint types lock ledger matrix surfaces clean python

PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
REAL_VERSIONS := 1.28.0 1.43.0 1.53.0
READY := .venv/.ready
NODE_READY := tests/node/node_modules/.ready
# Seconds after each failure of npm; as many attempts as numbers.
NPM_PAUSES ?= 2 10 0
LOCK = $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header --no-emit-index-url --no-emit-find-links
SOURCES := compat adapters tests docs/examples

help: ## list the commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(READY) ## transcribe a recording of two speakers with a legacy program
	@$(BIN)/speech-compat demo

# Several at a time, also on two cores: most tests wait.  A file's tests stay in one process.  What
# fails beside others is run again alone, because some clients give up on a machine that is too
# busy; what fails twice fails.
test: $(READY) $(NODE_READY) ## run the tests
	@$(BIN)/python -m pytest -n 4 --dist loadfile -rs --durations 10 --durations-min 1 || { echo 'The failed tests are run again, alone:'; \
		$(BIN)/python -m pytest --last-failed --last-failed-no-failures none; }

# A page, link or anchor that is missing fails the build, but not with --quiet, which drops warnings.
docs: $(READY) ## build the documentation site in build/site
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-docs.lock
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo 'The site is in build/site: open build/site/index.html, or for the search run' \
		'$(BIN)/python -m http.server --bind 127.0.0.1 --directory build/site'

crash: $(READY) ## kill programs and workers for half an hour, about 400 times
	@CRASH_ROUNDS=$${CRASH_ROUNDS:-80} $(BIN)/python -m pytest tests/crash -s

fuzz: $(READY) ## attack parsers and the gateway with generated data for about an hour
	@SPEECH_COMPAT_FUZZ_CASES=$${SPEECH_COMPAT_FUZZ_CASES:-20000} $(BIN)/python -m pytest tests/fuzz \
		--timeout 0 --show-capture=no

accuracy: $(READY) ## measure the local engine on the recordings in RECORDINGS
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --group measure
	@PYTHONPATH=tests $(BIN)/python -m benchmarks.accuracy $(RECORDINGS)

live: $(READY) ## test against real Azure with your key; ARGS are options: see CONTRIBUTING.md
	@PYTHONPATH=tests $(BIN)/python -m live $(ARGS)

coverage: $(READY) $(NODE_READY) ## run the tests and report the branches they miss
	@rm -rf build/coverage
	@$(BIN)/python -m coverage run -m pytest
	@$(BIN)/python -m coverage combine --quiet
	@$(BIN)/python -m coverage report

check: format lint types test ## format, lint, type-check and test

format: $(READY) ## format the code
	@$(BIN)/ruff format --quiet $(SOURCES)
	@$(BIN)/ruff check --quiet --fix-only $(SOURCES)

lint: $(READY) ## check format and style, change nothing
	@$(BIN)/ruff format --check --quiet $(SOURCES) || \
		{ echo 'Some files are not formatted: run make format.'; exit 1; }
	@$(BIN)/ruff check $(SOURCES)

types: $(READY) ## check the types with mypy and pyright
	@$(BIN)/mypy
	@$(BIN)/pyright

lock: $(READY) ## update both lock files: versions and hashes only
	@$(BIN)/python -m pip install --quiet uv
	@$(LOCK) --extra local --extra batch --extra gateway --extra compare --extra postgres --extra dask --group dev \
		--output-file requirements.lock
	@$(LOCK) --group docs --constraints requirements.lock --output-file requirements-docs.lock

ledger: $(READY) ## compare with the real package; write docs/compatibility.md
	@PYTHONPATH=tests $(BIN)/python -m ledger

matrix: $(READY) ## write the generated pages, tables and the JSON Schema
	@PYTHONPATH=tests $(BIN)/python -m matrix

# The packages are read, not imported, so this works on every platform.
surfaces: $(READY) ## re-read the public API of the SDK versions
	@for version in $(REAL_VERSIONS); do \
		echo "azure-cognitiveservices-speech $$version" && rm -rf .venv/real && \
		$(BIN)/python -m pip install --quiet --no-deps --target .venv/real \
			"azure-cognitiveservices-speech==$$version" && \
		PYTHONPATH=tests $(BIN)/python -m ledger --read $$version .venv/real || exit 1; done
	@rm -rf .venv/real

clean: ## remove the environment and caches
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache

python:
	@test -n "$(PYTHON)" || { \
		found=$$(python3 -c 'import sys; print("; python3 is %d.%d.%d" % sys.version_info[:3])' 2>/dev/null); \
		echo "speech-compat needs Python 3.11 or newer, which was not found$$found. Install it, or set PYTHON=..." >&2; \
		exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:3]; v < (3, 11) and sys.exit( \
		"speech-compat needs Python 3.11 or newer, and $(PYTHON) is %d.%d.%d. Set PYTHON=... to a newer one." % v)'

$(READY): requirements.lock pyproject.toml
	@$(MAKE) --no-print-directory python
	@echo 'Setting up .venv (once; takes a minute or two) ...'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	@touch $(READY)

# Never an error: the tests that need these packages are skipped, with the reason.
$(NODE_READY): tests/node/package-lock.json
	@command -v npm >/dev/null || { echo 'npm is missing: tests that need packages for node are skipped.'; exit 0; }; \
	for pause in $(NPM_PAUSES); do \
		npm ci --prefix tests/node --ignore-scripts --no-audit --no-fund --loglevel=error \
			&& touch $@ && exit 0; \
		sleep $$pause; done; \
	rm -rf tests/node/node_modules; \
	echo 'npm failed $(words $(NPM_PAUSES)) times: tests that need packages for node are skipped.'
