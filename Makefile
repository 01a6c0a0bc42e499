# make demo: set up, then run the whole chain on the simulated cohort. make test: what a newcomer needs to trust it.
# make image: the same set-up as a container image, by podman or docker.
.PHONY: setup setup-tests demo test bench lint image
ENGINE ?= $(shell command -v podman || command -v docker)
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
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

image:
	@[ -n "$(ENGINE)" ] || { echo "error: make image needs podman or docker, and neither is installed" >&2; exit 2; }
	$(ENGINE) build --file Containerfile --tag taxoscape:$(VERSION) .
