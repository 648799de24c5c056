# Everything that people and machines do with this project. `make help` lists it.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test check bench build clean

help: ## What can be made
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## The main job on a sample backlog, with real agents and no account (ONCE=1 ends when it is Completed; SOURCE=csv|plan)
	@demo/run.sh --source=$(or $(SOURCE),csv)

test: ## Every test there is: Rust, web, end to end (FAST=1: the web's and the crates' that need no Docker engine, no browser and no root)
	@FAST=$(FAST) scripts/test.sh

check: ## Format, lints, licences, tidiness, generated files
	@scripts/check.sh

bench: ## Measure, as ratios against peers in the same run, and print the table
	@bench/run.sh

build: ## The release programs and the web front, in target/release
	@scripts/build.sh

clean: ## Remove what was built and downloaded into this folder
	rm -rf target web/dist web/node_modules .cache demo/.work
