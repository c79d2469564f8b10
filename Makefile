# The commands of daily work. `make help` lists them. Everything is made by CMake and Ninja; this file only names the ways.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules
JOBS ?= $(shell nproc)
PYTHON := /usr/bin/python3
FORMATTED = $(shell git ls-files 'src/*.h' 'src/*.cpp' 'fuzz/*.cpp' 'bench/*.cpp')

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: setup build ## set up, build, play a model's whole life, then serve it on 127.0.0.1:8080 (Ctrl-C ends it)
	@exec demo/run

.PHONY: build
build: setup ## the release binary: build/release/hauberk
	@tools/build release hauberk

.PHONY: test
test: ## set up, build, run every test, close with one summary line
	@tools/setup --tests
	@tools/build asan all all_verify_interface_header_sets
	@tools/build release hauberk hauberk_scan hauberk-scan-worker
	@$(PYTHON) tools/run_tests.py

.PHONY: dev
dev: ## the daily build with tests: build/dev (then: ctest --test-dir build/dev)
	@tools/setup --tests
	@tools/build dev all

.PHONY: setup
setup: ## install what is missing (packages, ONNX Runtime, the demo's model)
	@tools/setup

.PHONY: style
style: ## layers, words, lengths, formats
	@$(PYTHON) tests/style/run.py

.PHONY: e2e
e2e: build ## the end-to-end tests alone
	@tools/setup --tests
	@tools/build release hauberk_scan hauberk-scan-worker
	@.deps/venv/bin/python -B tests/e2e/run.py

.PHONY: bench
bench: build ## side by side with others; needs some minutes and a quiet machine
	@tools/setup --bench
	@bench/run

.PHONY: peers
peers: ## install what the benchmarks compare with, and tools that give a second opinion in tests
	@tools/setup --bench

.PHONY: format
format: ## format every C++ file in place
	@clang-format-19 -i $(FORMATTED)

.PHONY: tidy
tidy: ## the short list of clang-tidy checks, over the dev build
	@tools/setup --tests
	@tools/build dev
	@printf '%s\n' $(filter-out %_test.cpp %_fuzz.cpp,$(filter src/%.cpp,$(FORMATTED))) | xargs -P $(JOBS) -n 4 clang-tidy-19 -p build/dev --quiet

.PHONY: clean
clean: ## remove what was built (not .deps, not hauberk-data)
	@rm -rf build
