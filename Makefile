# One word per chore, the same here and in CI. The README explains the first two.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
ROOTS := meshkit copies services gateway cli sandbox

.PHONY: help run chat test lint audit gen gen-check lock bench load soak release promises clean

help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: ## Start the whole mesh on this machine (Ctrl-C stops it)
	@scripts/env.sh sandbox
	@$(BIN)/python -m sandbox

chat: ## A guest's phone in this terminal, talking to the mesh of `make run`
	@./conserje chat

test: ## Every test, against a real Postgres and Redis that it starts itself
	@scripts/env.sh dev
	@$(BIN)/pytest -m "not soak" -n 2 --dist loadfile --no-loadscope-reorder --junitxml=build/tests.xml

load: ## A hundred guests at ten hotels, by k6: SECONDS (300), STAGES=spike or soak, ERRORS_ONLY=1
	@scripts/env.sh dev
	@$(BIN)/python -m tests.load $(if $(SECONDS),--seconds $(SECONDS)) $(if $(STAGES),--stages $(STAGES)) $(if $(ERRORS_ONLY),--errors-only)

soak: ## The long tests at full size, to docs/soak.md; ONLY='crowd or fight' for some of them
	@scripts/env.sh dev
	@$(BIN)/pytest -m soak -o junit_logging=system-out --junitxml=build/soak.xml $(if $(ONLY),-k '$(ONLY)'); code=$$?; \
	  $(BIN)/python scripts/soak.py && exit $$code

lint: ## Formatting, lint, types, import rules, contracts
	@scripts/env.sh dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy -n 2 $(ROOTS) tests bench
	$(BIN)/lint-imports --no-logo
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code
	@mkdir -p build
	$(BIN)/buf build --path protos/conserje -o build/protos.binpb
	$(BIN)/buf breaking build/protos.binpb --against protos/baseline.binpb

audit: ## Known weaknesses of the packages that processes run with, where the index tells them
	@scripts/env.sh dev
	@mkdir -p build
	@$(BIN)/pip-audit --disable-pip --require-hashes --progress-spinner off -r requirements/base.txt >build/audit.txt 2>&1 \
	  || { cat build/audit.txt; exit 1; }
	@echo "audit: no known weakness; $$(grep -c 'could not be audited' build/audit.txt) of $$(grep -c == requirements/base.txt) packages could not be looked up"

gen: ## Generate gen/ from protos/
	@scripts/env.sh dev
	@scripts/gen.sh

gen-check: ## Check that gen/ matches protos/
	@scripts/env.sh dev
	@tmp=$$(mktemp -d) && scripts/gen.sh "$$tmp" && diff -r -x __pycache__ "$$tmp" gen && rm -r "$$tmp"

lock: ## Pin requirements/*.in to requirements/*.txt
	@scripts/env.sh dev
	@scripts/lock.sh

bench: ## Ratios against ceilings, to bench/report.json and a table
	@scripts/env.sh dev
	@$(BIN)/python -m bench

release: ## Take today's protos and code as what later changes must not break
	@scripts/env.sh dev
	rm -f tests/compat/*.whl
	$(BIN)/uv build --quiet --wheel --out-dir tests/compat
	$(BIN)/buf build --path protos/conserje -o protos/baseline.binpb

promises: ## Check that every promise of docs/promises.md has a test that ran
	@$(BIN)/python scripts/promises.py

clean: ## Remove the environment and the sandbox's data
	rm -rf $(VENV) .conserje
