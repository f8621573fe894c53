# Every command of the project. `make` alone lists them.
# `make book` and `make test` need nothing but Python 3.11 or newer: they install what they use into .venv.

PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
PY      := $(BIN)/python
PORT    ?= 8000
INSTALLED := $(VENV)/.installed
# The versions that a result depends on stand in constraints.txt and nowhere else.
# JAX and PyTorch are here because the book runs them beside TensorFlow; the labs need neither.
EXTRAS := book,lab,author,grade,test,jax,torch
# Two files of tests at a time: both cores are used, and many tests wait more than they compute.
SIDE_BY_SIDE := -n 2 --dist loadfile
# Notebooks and pages are run one by one, on both cores.
EACH := -n 2 --dist load

# A learner's GPU is welcome in `make lab`; builds and tests must give the same numbers everywhere.
export TF_CPP_MIN_LOG_LEVEL ?= 2

.DEFAULT_GOAL := help
.PHONY: help install kernel notebooks book pdf links serve lab lint test test-unit test-labs test-notebooks \
        test-grading test-book test-browser test-backends grade-demo bench clean

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 18

$(INSTALLED): pyproject.toml constraints.txt
	@PYTHON="$(PYTHON)" VENV="$(VENV)" tools/install.sh "$(EXTRAS)"
	@touch $@

install: $(INSTALLED)  ## create .venv and install everything that the other commands use

notebooks: $(INSTALLED)  ## write the notebooks that are generated from labs/source and book
	@$(BIN)/dllab author build

book: $(INSTALLED)  ## build the book into build/book (strict: any warning or failing cell stops it)
	@$(PY) tools/build_book.py

pdf: $(INSTALLED)  ## print the whole book into build/book.pdf, with Chromium (the next `make book` offers it)
	@tools/system_packages.sh chromium
	@$(PY) tools/build_pdf.py

links: $(INSTALLED)  ## ask each external address in the book whether it still answers (needs a network)
	@$(PY) tools/check_links.py

serve: $(INSTALLED)  ## show the built book on http://127.0.0.1:$(PORT)
	@$(PY) tools/serve.py --port $(PORT)

lab: $(INSTALLED)  ## open JupyterLab in labs/
	@$(BIN)/jupyter lab --notebook-dir labs

lint: $(INSTALLED)  ## style, import contract, lab and chapter sources
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/dllab author lint

# The cheap fails first.
test: lint test-unit test-labs test-notebooks test-grading test-book test-browser  ## the whole suite

test-unit: $(INSTALLED)  ## the package
	@tools/system_packages.sh bubblewrap
	$(PY) -m pytest $(SIDE_BY_SIDE) tests --ignore=tests/labs --ignore=tests/packaging --ignore=tests/notebooks \
	  --ignore=tests/grading --ignore=tests/book --ignore=tests/browser --ignore=tests/backends --ignore=tests/gpu

test-labs: $(INSTALLED)  ## each lab: solution, untouched notebook, mutants, variants; the wheel
	$(PY) -m pytest $(SIDE_BY_SIDE) tests/labs tests/packaging

test-notebooks: $(INSTALLED)  ## every chapter and lab under nbval
	$(PY) -m pytest $(EACH) --durations=10 tests/notebooks

test-grading: $(INSTALLED)  ## grading: sandbox, hostile and unlucky notebooks, classes, crashes, nbgrader
	@tools/system_packages.sh bubblewrap chromium
	$(PY) -m pytest $(SIDE_BY_SIDE) tests/grading

test-book: book  ## the strict build and what must hold of its pages
	$(PY) -m pytest $(SIDE_BY_SIDE) tests/book

test-browser: book  ## the built book in Chromium
	@tools/system_packages.sh chromium
	$(PY) -m pytest $(EACH) tests/browser

# -rP shows of each notebook which cells were left out, and why.
test-backends: $(INSTALLED)  ## every chapter and lab that uses Keras, on JAX and on PyTorch
	$(PY) -m pytest $(EACH) -rP tests/backends

grade-demo: $(INSTALLED)  ## grade a small made-up class, hostile notebooks included, in about a minute
	@tools/system_packages.sh bubblewrap
	@$(PY) tools/grade_demo.py

bench: $(INSTALLED)  ## measure, as ratios to a peer in the same run; results in build/bench
	$(PY) tools/bench_warm.py
	$(PY) tools/bench.py
	$(PY) tools/bench_training.py
	$(PY) tools/bench_grading.py

clean:  ## remove what was built (not .venv)
	rm -rf build dist
