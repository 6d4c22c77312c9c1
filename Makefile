# Everything a fresh machine needs, in two commands: `make report` and `make test`. `make` lists the rest.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help
.SUFFIXES:

python := .venv/bin/python
export CONTEXT

##@ Use

.PHONY: report
report: ## Build and judge the leaky sample, or CONTEXT=path (ARGS='...' goes to imgscan); .ci/report.sh has the exact exit code
	@.ci/report.sh $(if $(CONTEXT),"$$CONTEXT") $(ARGS)

.PHONY: samples
samples: venv ## Make ready what the samples need: base images, planted secrets
	@.ci/with-engine.sh true

##@ Development

.PHONY: test
test: venv ## Run the whole test suite, on a real engine (ARGS='-k name' goes to pytest)
	@.ci/with-engine.sh .ci/test.sh $(ARGS)

.PHONY: test-unit
test-unit: venv ## Run the tests that need no engine, no registry and no other tools
	@.ci/test.sh -m 'not engine and not registry and not tools' $(ARGS)

.PHONY: test-engines
test-engines: venv ## Run the engine tests on this machine's engine and on private ones of version 28.5, with both image stores
	@.ci/test-engines.sh $(ARGS)

.PHONY: fuzz
fuzz: venv ## Fuzz the parsers, each for FUZZ_SECONDS=60 (ARGS='tar blob' names some); .fuzz has what is found
	@.ci/fuzz.sh $(ARGS)

.PHONY: bench
bench: venv ## Time scans of images of 0.25 to 4 GB beside docker save and other tools (ARGS='--sizes 1 --peers none')
	@.ci/with-engine.sh $(python) -m benchmarks.scan $(ARGS)

.PHONY: accuracy
accuracy: venv ## Measure the secret rules on labelled cases and real files beside other tools (ARGS='--no-natural --cases DIR')
	@$(python) -m benchmarks.accuracy $(ARGS)

.PHONY: lint
lint: venv ## Check style and types
	@$(python) -m ruff check .
	@$(python) -m ruff format --check .
	@$(python) -m mypy

.PHONY: format
format: venv ## Mend what ruff can mend
	@$(python) -m ruff check --fix .
	@$(python) -m ruff format .

.PHONY: lock
lock: ## Refresh the lock files within the limits of pyproject.toml (needs uv)
	@.ci/lock.sh $(ARGS)

.PHONY: venv
venv: ## Make .venv from requirements.lock
	@.ci/venv.sh

.PHONY: engine
engine: ## See to a container engine, and print its DOCKER_HOST
	@.ci/engine.sh

.PHONY: clean
clean: ## Remove what these commands made in this folder (not the engine, not its images)
	@rm -rf .venv .fuzz build-report .mypy_cache .ruff_cache .pytest_cache .hypothesis sample_images/.imgscan.toml
	@python3 sample_images/plant.py --remove

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' Makefile
