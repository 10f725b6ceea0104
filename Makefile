# Two commands: `make book` and `make test`. The first use of any makes an environment in .venv with the versions of
# requirements.txt; nothing is done again that is done. Works with GNU make 3.81, so on Linux and macOS.

PYTHON ?= python3
PORT ?= 8000
ONLY ?=
URL ?=

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.repgen-installed
BOOK := _build/html/.built
SOURCES := $(shell find _config.yml _toc.yml index.md references.bib pages chapters assignments repgen _ext _static _templates -type f \
	! -path '*/.ipynb_checkpoints/*' ! -path '*/__pycache__/*' ! -name '*.part' 2>/dev/null)
# One thread each for two processes at a time. Memory that was freed is kept for the next tensor, not given back to the
# system page by page: the same numbers, in four fifths of the time where tensors are large. No progress bars.
TESTED := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=4294967296 \
	MALLOC_TOP_PAD_=67108864 TQDM_DISABLE=1 REPGEN_BOOK=make
PYTEST := $(BIN)/python -m pytest -q -n 2 --dist loadfile
# Runs a command whose kernels do not each import torch anew.
WARM := $(BIN)/python tools/warm_kernel.py serve
NBVAL := $(TESTED) $(WARM) $(PYTEST) --nbval-lax --nbval-kernel-name python3

help:  ## what can be made
	@grep -hE '^[a-z.-]+:.*##' Makefile tools/*.mk | awk -F ':.*## *' '{ printf "make %-18s %s\n", $$1, $$2 }'

book: $(BOOK)  ## the book, in _build/html
	@echo "The book: open _build/html/index.html in a browser, or \`make serve\`."

# The book is built by the first test that needs it, while the other worker runs notebooks.
test: $(STAMP)  ## everything: notebooks, package, exercises, built book, widgets
	@$(NBVAL) chapters tests

# Without those that use no data set that could be missing: they are no different there.
test-stand-in: $(STAMP)  ## the notebooks once more, as where no data set can be had
	@rm -rf _build/no-data && mkdir -p _build/no-data
	@REPGEN_DATA="$(CURDIR)/_build/no-data" REPGEN_SESSION="without data" http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 \
		$(NBVAL) $$($(BIN)/python tools/without_data.py) chapters

test-fast: $(STAMP)  ## while you work: the package and the notebooks' form; runs no notebook, opens no browser, builds no book
	@$(TESTED) $(PYTEST) tests -m "not slow" --ignore=tests/browser --ignore=tests/test_book.py

serve: $(BOOK)  ## the book at http://localhost:8000 (PORT=...)
	$(BIN)/python -m http.server --directory _build/html --bind 127.0.0.1 $(PORT)

notebooks: $(STAMP)  ## run the notebooks (or ONLY=path) and store what they show
	$(BIN)/python tools/publish.py $(ONLY)
	@$(MAKE) assignments

pictures: $(BOOK)  ## the front page's and the README's pictures
	$(BIN)/python tools/pictures.py

bench: $(STAMP)  ## speed beside the peers, on this machine
	$(BIN)/python benchmarks/run.py

address: $(STAMP)  ## write the repository's address URL everywhere, for a fork
	@test -n "$(URL)" || { echo "say which, e.g. make address URL=https://github.com/you/fork"; exit 2; }
	$(BIN)/python tools/address.py "$(URL)"

clean:  ## remove what was built (not .venv)
	rm -rf _build .pytest_cache *.egg-info
	find repgen _ext tests tools chapters \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

# A warning that is an error must come back until it is mended: so no cache is left of a build that failed.
$(BOOK): $(STAMP) $(SOURCES)
	@$(BIN)/jupyter-book build -W -n --keep-going -q . || { rm -rf _build/.doctrees _build/html; exit 1; }
	@touch $@

$(STAMP): $(VENV)/.requirements-installed pyproject.toml
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.requirements-installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "This needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Say which: make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the versions of requirements.txt into $(VENV): the first time takes some minutes."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-compile --no-deps -r requirements.txt
	@touch $@

# requirements.txt is a file that others depend on, so it is made again only when asked for by name.
ifeq ($(filter requirements.txt,$(MAKECMDGOALS)),requirements.txt)
.PHONY: requirements.txt
requirements.txt:  ## pin all versions anew, from pyproject.toml
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv
	$(BIN)/python -m uv pip compile --universal --python-version 3.11 --upgrade --no-annotate --quiet \
		--custom-compile-command "make requirements.txt" --extra book --extra test --extra lint --extra bench pyproject.toml --output-file requirements.txt
endif

-include tools/portable.mk
-include tools/teaching.mk
-include tools/checks.mk

.PHONY: help book test test-stand-in test-fast serve notebooks pictures bench address clean
