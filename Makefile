# The menu: `make help`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV ?= .venv
PYTHON := $(VENV)/bin/python
export SLIPWAY_VENV := $(VENV)
# Containers need root; everything else about the instance is then root's too.
SUDO := $(if $(filter 0,$(shell id -u)),,sudo --preserve-env)

.PHONY: pictures help up down agent ready ready-dev check test-vm test test-fast format lock clean

help: ## Show this menu
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

up: ready ## Install what is missing and start an instance; NODES=3 makes it a cluster (docs/lab.md)
	@exec $(SUDO) $(PYTHON) manage.py up $(if $(NODES),--nodes $(NODES)) $(if $(LATENCY),--latency $(LATENCY)) \
	    $(if $(LOSS),--loss $(LOSS)) $(if $(BANDWIDTH),--bandwidth $(BANDWIDTH))

agent: ## Make this host ready to join a control plane elsewhere: the command nodeagent (docs/joining.md)
	@$(SUDO) setup/agent.sh

down: ready ## Stop the instance and remove its containers, devices, mounts, nft table and cgroups
	@$(SUDO) $(PYTHON) manage.py down

ready: ## Install what running needs
	@setup/ready.sh

ready-dev: ## Install what checking and testing need
	@setup/ready.sh --dev

check: ready-dev ## Lint, types, import contracts, front end: exactly what CI runs before the tests
	@setup/check.sh

test: ready-dev ## Run every test (as root: real containers, cgroups, packets, browser)
	@# Three at a time on two processors: much of it waits for processes and packets. Who runs what: tests/scheduling.py.
	@$(SUDO) $(PYTHON) -m pytest -n 3

test-fast: ready-dev ## Run the tests that need neither root nor processes
	@$(PYTHON) -m pytest tests/unit -n 2

test-vm: ready-dev ## Run what needs another kernel, in an emulated machine: WireGuard, cgroups of version 2 alone, netem (minutes)
	@setup/vm.sh
	@$(SUDO) $(PYTHON) -m tests.vm

pictures: ready-dev ## Renew the screenshots in docs/ of a demo cluster; ONLY="pods why" some of them
	@$(SUDO) $(PYTHON) -m tests.browser.pictures $(ONLY)

format: ready-dev ## Format the code
	@$(VENV)/bin/ruff check --fix --quiet . ; $(VENV)/bin/ruff format .

lock: ready-dev ## Renew the hashed locks from requirements*.in
	@setup/lock.sh

clean: ## Remove what was installed into this checkout
	@rm -rf $(VENV) dashboard/frontend/node_modules dashboard/static/dashboard staticfiles .mypy_cache .ruff_cache .pytest_cache
