# Two commands: `make demo` and `make test`. Both install what they need first.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: help install demo test check soak bench lock clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

install: ## everything a user needs, into .venv and a cache outside the clone
	@$(PYTHON) scripts/install.py

demo: install ## the main job and a lie on a local chain (LIE=k: about call k, KEEP=1: leave it running)
	@$(BIN)/python scripts/demo.py $(if $(KEEP),--keep)

test: ## install what tests need, then style, types, spelling and every test
	@$(PYTHON) scripts/install.py --test
	@$(BIN)/python scripts/check.py

check: ## style, types and spelling alone
	@$(BIN)/python scripts/check.py --static

soak: ## the large seeded counts, PART=name or all, SEED=n; writes tests/soak.json
	@$(PYTHON) scripts/install.py --soak
	@$(BIN)/python -m scripts.soak $(PART) --seed $(or $(SEED),1)

bench: ## gas, a duel, disputes, the engine against llama.cpp; writes docs/measurements/*.json, NAME=gas|duel|dispute|engine for one
	@$(PYTHON) scripts/install.py --test
	@$(BIN)/python -m scripts.bench $(NAME)

lock: ## rewrite the lock files from requirements/*.in
	@$(BIN)/python scripts/lock.py

clean: ## remove what the targets made in the clone
	rm -rf .venv .oyez build *.egg-info .coverage
