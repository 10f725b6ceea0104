# Lint, format, types, and the package under other versions than those of requirements.txt; included by the Makefile.
# The tests of the book, of the exercises and of the repository need what the package does not.
PACKAGE_TESTS = $(filter-out $(addprefix tests/test_,book.py exercises.py habits.py notebooks.py pages.py saved_elsewhere.py warm_kernel.py),\
	$(sort $(wildcard tests/test_*.py)))
LOWEST_PYTHON ?= python3.11
COLAB_PYTHON ?= python3.12
# One thread: the tests are small.
QUIET := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive TQDM_DISABLE=1

lint: $(STAMP)  ## ruff: faults, and form
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

format: $(STAMP)  ## bring the code into form
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

types: $(STAMP)  ## mypy on the package
	$(BIN)/python -m mypy

test-package: $(STAMP)  ## the package's tests alone
	$(QUIET) $(BIN)/python -m pytest -q -n 2 --dist loadfile $(PACKAGE_TESTS)

test-lowest: .venv-lowest/.installed  ## the package's tests and a notebook a chapter, with the lowest versions allowed
	$(call with_versions,.venv-lowest)

test-colab: .venv-colab/.installed  ## the same, with the versions of tools/colab.txt
	$(call with_versions,.venv-colab)

# Notebooks are not compared to the letter here: another torch draws other numbers. Their claims have to hold.
define with_versions
	$(QUIET) $(1)/bin/python -m pytest -q -n 2 --dist loadfile $(PACKAGE_TESTS)
	$(QUIET) $(1)/bin/python -m pytest -q -n 2 --dist loadfile --nbval-lax --nbval-current-env \
		$$($(1)/bin/python tools/quickest.py)
endef

.venv-lowest/.installed: pyproject.toml
	$(call install_versions,.venv-lowest,$(LOWEST_PYTHON),--resolution lowest-direct)

.venv-colab/.installed: pyproject.toml tools/colab.txt
	$(call install_versions,.venv-colab,$(COLAB_PYTHON),--constraint tools/colab.txt)

# $(1): the folder, $(2): the Python, $(3): which versions the package gets. The test tools come in their newest.
define install_versions
	@rm -rf $(1) && $(2) -m venv $(1)
	@echo "Installing into $(1): the first time takes some minutes."
	@$(1)/bin/python -m pip install -q --disable-pip-version-check uv
	$(1)/bin/uv pip compile -q --no-annotate --no-header -p $(1) $(3) pyproject.toml -o $(1)/versions.txt
	$(1)/bin/uv pip install -q -p $(1) -r $(1)/versions.txt ipykernel nbval pytest pytest-xdist
	$(1)/bin/uv pip install -q -p $(1) --no-deps -e .
	@touch $@
endef

.PHONY: lint format types test-package test-lowest test-colab
