# What one does here. `make demo` and `make test` install what they need (as root, Debian 12) and say so.
.PHONY: setup demo test lint types golden lab docs bench parts chaos mutants clean
BIN = .venv/bin

setup:            ## packages from Debian and .venv
	@scripts/setup

demo: setup       ## the main job: three hosts, five guests, pings, a live move, why
	@$(BIN)/retia demo

test: setup lint types  ## everything: style, types, unit, golden, real Open vSwitch, real etcd, labs
	@$(BIN)/python -m pytest -n 3 --dist worksteal tests

lint: setup       ## style and layers
	@$(BIN)/ruff check retia tests bench
	@$(BIN)/ruff format --check retia tests bench
	@$(BIN)/lint-imports

types: setup      ## mypy --strict
	@$(BIN)/mypy

golden: setup     ## regenerate expected flows and messages, and print what changed
	@$(BIN)/python -m tests.golden
	@$(BIN)/python -m tests.errors

lab: setup        ## every lab, one after the other
	@for file in labs/*.yaml; do $(BIN)/retia lab check $$file || exit 1; done

docs: setup       ## regenerate the generated pages of docs/
	@$(BIN)/python -m docs.generate

bench: setup      ## Retia beside OVN in one run: a table, JSON, and exit 1 for a missed target (QUICK=1: shorter)
	@$(BIN)/python -m bench

parts: setup      ## speed and memory of the engine, the rules and the switch, each alone
	@$(BIN)/python -m bench.engine
	@$(BIN)/python -m bench.compile
	@$(BIN)/python -m bench.switch
	@$(BIN)/python -m bench.trace

chaos: setup      ## random changes and kills on a real lab: make chaos SECONDS=600 SEED=7
	@RETIA_LOG_LEVEL=debug $(BIN)/python -m tests.chaos $(or $(SECONDS),600) $(SEED)

mutants: setup    ## break the product in small ways, one at a time: a named test must notice each
	@$(BIN)/python -m tests.mutants

clean:
	@rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
