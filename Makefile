# make demo: set up, then run the whole chain on the simulated cohort. make test: what a newcomer needs to trust it.
.PHONY: setup setup-tests demo test bench lint
CORES ?= $(shell env -u OMP_NUM_THREADS nproc)
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export LC_ALL = C.UTF-8

setup:
	./setup.sh

demo: setup
	snakemake --cores $(CORES)

setup-tests:
	./setup.sh tests

test: setup-tests lint
	python -m pytest --numprocesses $(CORES) --maxprocesses 8 --dist loadfile --no-loadscope-reorder

bench: setup
	python -m bench

lint: setup
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow/rules
	snakemake --lint
