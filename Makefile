# Everything runs in .venv, which is made from pyproject.toml when it is missing or older.
# `make PYTHON=/path/to/python …` chooses the interpreter for it.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PRECIOUS: .venv-%/.dev

SUPPORTED := 3.11 3.12 3.13
PYTHON ?= $(call first_that_runs,python3.13 python3.12 python3.11 python3,version >= (3, 11))
BIN := .venv/bin

# Of the commands $(1), the first that really runs (a version manager's shim may exist and fail), can make environments
# and satisfies the Python expression $(2).
first_that_runs = $(firstword $(foreach command,$(1),$(shell $(command) -c \
	'import ensurepip, ssl, sys, venv; version = sys.version_info[:2]; $(2) and print(sys.executable)' 2>/dev/null)))

# Python $(1), for example 3.12, wherever this machine has it; nothing where it does not.
python_of = $(call first_that_runs,python$(1) $(wildcard $(HOME)/.pyenv/versions/$(1).*/bin/python),version == ($(subst .,$(comma) ,$(1))))
comma := ,

# Makes the environment $(2) with the interpreter $(1), unless a working one is there, and installs us with the extras $(3).
define make_environment
	@test -n "$(1)" || { echo >&2 "No Python 3.11 or newer found that runs and has venv, pip and ssl. Install one, or name it: make PYTHON=/path/to/python"; exit 1; }
	@echo "$(2): installing ctrader-typed[$(3)]"
	@$(2)/bin/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || "$(1)" -m venv --clear $(2)
	@$(2)/bin/python -m pip install -qq --disable-pip-version-check --editable ".[$(3)]"
	@touch $@
endef

run_tests = $(1)/bin/python -m pytest --numprocesses=auto --dist=worksteal

.PHONY: help
help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  make %-11s %s\n' "$$name" "$$text"; done

.PHONY: demo
demo: .venv/.demo ## Trade against the mock server: log in, watch quotes, buy, see the position
	@$(BIN)/python examples/demo.py

.PHONY: test
test: .venv/.dev ## Everything that the gate runs: the checks, then the tests on each Python 3.11 to 3.13 found here
	@$(MAKE) --no-print-directory --keep-going check pytest conformance $(OTHERS:%=pytest-%)
	@echo
	@echo "The checks and the tests are green on Python $(strip $(MAIN) $(OTHERS))."
	$(if $(ABSENT),@echo "This machine has no Python $(ABSENT) to try.")

# The version inside .venv, and of the other supported ones those that this machine has and lacks.
MAIN = $(shell $(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
OTHERS = $(foreach version,$(filter-out $(MAIN),$(SUPPORTED)),$(if $(call python_of,$(version)),$(version)))
ABSENT = $(filter-out $(MAIN) $(OTHERS),$(SUPPORTED))

# The tests of what lies below net/: all of it runs with the plain codec too.
BELOW_NET := $(addprefix tests/ctrader_typed/,message orders protocol tokens units wire) $(wildcard tests/ctrader_typed/test_*.py)

.PHONY: pytest
pytest: .venv/.dev
	$(call run_tests,.venv) --hypothesis-profile=gate -m "not conformance"
	CTRADER_TYPED_CODEC=python $(call run_tests,.venv) --hypothesis-profile=again $(BELOW_NET)

# With fewer generated inputs, and without what does not depend on the interpreter: what one Python
# does with that, the others do too.
pytest-%: .venv-%/.dev
	$(call run_tests,.venv-$*) --hypothesis-profile=again -m "not conformance and not fuzz and not one_python"

.PHONY: gen
gen: .venv/.dev ## Generate ctrader_typed/proto from protos
	$(BIN)/python -m codegen

.PHONY: check
check: .venv/.dev ## Generated code current, formatted, linted, typed (mypy and pyright, strict), layers kept
	$(BIN)/python -m codegen --check
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

.PHONY: conformance
conformance: .venv/.dev .venv-official/.installed .venv-layer/.installed ## In real time: clients that others wrote trade on our server; bad habits are noticed
	$(BIN)/python -m pytest -m conformance tests/conformance tests/mockserver/conformance

MINUTES ?= 5

.PHONY: fuzz
fuzz: .venv/.dev ## Throw far more inputs at each entry point than the gate does; MINUTES=5 of them
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES)
	$(BIN)/python -m pytest -m fuzz --hypothesis-profile=fuzz --numprocesses=auto

# The compiled codec again, with every access watched; the interpreter itself is not, so leaks and
# its own arenas are left out.
SANITIZED = CFLAGS="-fsanitize=address -fno-omit-frame-pointer" $(BIN)/python setup.py --quiet \
	build --force --build-base build/asan --build-lib build/asan/lib
WATCHED = LD_PRELOAD=$$($(CC) -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0 \
	PYTHONMALLOC=malloc PYTHONPATH=build/asan/lib:. CTRADER_TYPED_CODEC=compiled $(BIN)/python -P

.PHONY: asan
asan: .venv/.dev ## Fuzz the compiled codec under AddressSanitizer; MINUTES=5 of it, and the codec's tests
	$(SANITIZED)
	$(WATCHED) -m tests.fuzz --blind --minutes $(MINUTES)
	$(WATCHED) -m pytest -o pythonpath=build/asan/lib tests/property/test_paths.py tests/property/test_envelopes.py tests/ctrader_typed/message/test_decode.py tests/ctrader_typed/message/test_encode.py

.PHONY: wheels
wheels: .venv/.dev ## Build and try a wheel with the compiled codec, for each Python 3.11 to 3.13 found here
	@$(MAKE) --no-print-directory wheel $(OTHERS:%=wheel-%)

# Builds a wheel with the interpreter $(1), and reads a message with what is in it.
define build_wheel
	@rm -rf build/wheel && mkdir -p build/wheel dist
	@$(1) -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir build/wheel .
	@$(1) -m pip install -qq --disable-pip-version-check --no-deps --target build/wheel/unpacked build/wheel/*.whl
	@cd build/wheel/unpacked && CTRADER_TYPED_CODEC=compiled $(CURDIR)/$(1) -c \
		'from ctrader_typed import ProtoHeartbeatEvent, codec_info; ProtoHeartbeatEvent.FromString(b""); assert codec_info().codec == "compiled"'
	@mv -v build/wheel/*.whl dist
endef

.PHONY: wheel
wheel: .venv/.dev
	$(call build_wheel,$(BIN)/python)

wheel-%: .venv-%/.dev
	$(call build_wheel,.venv-$*/bin/python)

RUNS ?= 5

.PHONY: bench
bench: .venv/.dev .venv-official/.installed .venv-official-best/.installed .venv-layer/.installed ## Measure us beside the other clients (medians of RUNS=5), then the parts by themselves
	$(BIN)/python -m tests.benchmarks.field --runs $(RUNS)
	$(BIN)/python -m pytest tests/benchmarks

.PHONY: clean
clean: ## Remove the environments, caches and build output
	rm -rf .venv .venv-* build dist *.egg-info .benchmarks .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find ctrader_typed -name '*.so' -delete

# What the compiled parts are built from: newer than an environment, they are built again with it.
COMPILED := pyproject.toml setup.py $(shell find ctrader_typed -name '*.pyx' -o -name '*.pxi')

.venv/.demo: $(COMPILED)
	$(call make_environment,$(PYTHON),.venv,mock)

.venv/.dev: $(COMPILED)
	$(call make_environment,$(PYTHON),.venv,dev)

.venv-%/.dev: $(COMPILED)
	$(call make_environment,$(call python_of,$*),.venv-$*,test)

# Clients that others wrote, each in an environment without us.

.venv-official/.installed: tests/conformance/requirements.txt | .venv/.dev
	@echo "$(@D): installing the official SDK"
	@$(BIN)/python -m venv --clear $(@D)
	@$(@D)/bin/python -m pip install -qq --disable-pip-version-check --requirement $<
	@touch $@

# The last Python for which the protobuf that it pins has a parser in C++.
.venv-official-best/.installed: tests/conformance/requirements.txt
	@if test -n "$(call python_of,3.10)"; then \
		echo "$(@D): installing the official SDK with protobuf in C++" && \
		"$(call python_of,3.10)" -m venv --clear $(@D) && \
		$(@D)/bin/python -m pip install -qq --disable-pip-version-check --requirement $< && \
		touch $@; \
	else echo "This machine has no Python 3.10: without the official SDK at its best."; fi

.venv-layer/.installed: tests/conformance/ctrader_layer/package.json
	@if node --version >/dev/null 2>&1 && npm --version >/dev/null 2>&1; then \
		echo "$(@D): installing cTrader Layer" && mkdir -p $(@D) && cp $< $(@D) && \
		npm install --prefix $(@D) --silent --ignore-scripts --no-audit --no-fund --no-package-lock && \
		touch $@; \
	else echo "This machine has no Node with npm: without the client that needs it."; fi
