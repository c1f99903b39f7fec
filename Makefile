# What a person does with this repository. `make demo` and `make test` are the two to know.
PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
CLANG  ?= clang
BPF    := $(patsubst %.bpf.c,%.bpf.o,$(wildcard agent/kernel/bpf/*.bpf.c))
JSON   ?= /dev/stdout

.DELETE_ON_ERROR:
.PHONY: demo test check install bpf range range-document bench-collector bench-agent bench-baseline bench-idle bench-insider bench-memory bench-forecast bench-queries test-faults test-kernels test-soak runtime runtime-profile test-runtime wheels-lock packages test-packages test-deb fuzz clean

demo: install ## an insider on test hosts, from the kernel to the incident, with proof; ONCE=1 TAMPER=1
	@$(PY) -m range.demo $(if $(ONCE),--once) $(if $(TAMPER),--tamper) $(if $(EXPORT),--export $(EXPORT)) \
	    $(if $(BUNDLE),--bundle $(BUNDLE)) $(if $(RECEIPTS),--receipts $(RECEIPTS)) $(if $(JOIN),--join)

test: install ## every suite, with its minutes
	@packaging/prerequisites.sh tests
	@$(PY) tests/suites.py

check: install ## lint, types, layout, and the tables of docs/ held against the code
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(PY) -m pytest tests/project

install: $(VENV)/.installed bpf

$(VENV)/.installed: requirements.lock pyproject.toml packaging/prerequisites.sh
	@packaging/prerequisites.sh
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Vedette needs Python 3.11 or newer")'
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@$(PY) -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

bpf: ## the kernel objects; without clang the next rung of the sensors is used
	@if command -v $(CLANG) >/dev/null 2>&1; then $(MAKE) --silent $(BPF); \
	 else echo "clang is missing: process and connection sensors use their next rung" >&2; fi

agent/kernel/bpf/%.bpf.o: agent/kernel/bpf/%.bpf.c $(wildcard agent/kernel/bpf/*.h)
	@$(CLANG) -O2 -g -target bpf -D__TARGET_ARCH_$(if $(filter aarch64,$(shell uname -m)),arm64,x86) -Wall -Werror \
	    -fdebug-compilation-dir=. -c $< -o $@

range: install ## JSON=FILE, TWINS=20: play all scenarios and runs of their benign twins; a row for each
	@VEDETTE_RANGE=this-host-is-a-range $(VENV)/bin/vedette range run all --twins $(or $(TWINS),20) --json > $(JSON) || test $$? -eq 1

range-document: install ## JSON=FILE: write the rows of a run into docs/range.md
	@$(PY) -m range.document $(JSON)

bench-collector: install ## JSON=FILE PACKAGE=FILE.deb: durable acknowledgement and end to end
	@$(PY) -m $(if $(PACKAGE),tests.bench.packaged $(PACKAGE)) tests.bench.collector --json $(JSON)

# With PACKAGE=FILE.deb the agent is that of the package, with the Python it brings.
MEASURED = --json $(JSON) $(if $(PACKAGE),--package $(PACKAGE))

bench-agent: install ## JSON=FILE PACKAGE=FILE.deb: the agent beside auditd, laurel and execsnoop on the same work; needs root
	@$(PY) -m tests.bench.peers $(MEASURED)

bench-idle: install ## JSON=FILE PACKAGE=FILE.deb: memory and idle cost of a running agent
	@$(PY) -m tests.bench.agent_idle $(MEASURED)

bench-memory: install ## JSON=FILE PACKAGE=FILE.deb: what the agent's memory is made of after each workload; needs root
	@$(PY) -m tests.bench.memory $(MEASURED)

bench-baseline: install ## JSON=FILE PACKAGE=FILE.deb: a first baseline of 100,000 files beside aide's
	@$(PY) -m tests.bench.baseline $(MEASURED)

bench-insider: install ## JSON=FILE, SEEDS=evaluation, JOBS=2: insiders found in generated months, beside a baseline
	@$(PY) -m tests.bench.insider --json $(JSON) --seeds $(or $(SEEDS),evaluation) --jobs $(or $(JOBS),2)

bench-forecast: install ## JSON=FILE: whether what `vedette tune` expects of a value is what then happens
	@$(PY) -m tests.bench.forecast --json $(JSON) --jobs $(or $(JOBS),2)

bench-queries: install ## JSON=FILE: analysts' questions over ten million events, and what an event takes on disk
	@$(PY) -m tests.bench.queries --json $(JSON)

test-faults: install ## ROUNDS=50: kill -9 at random under load, nothing lost unsaid
	@$(PY) -m pytest tests/system/test_faults.py --slow --faults-rounds=$(or $(ROUNDS),50) --timeout=3600 -s

test-soak: install ## MINUTES=60: short processes come and go, and nothing of the agent grows
	@$(PY) -m pytest tests/system/test_soak.py --soak-seconds=$$(( $(or $(MINUTES),60) * 60 )) -s

test-kernels: install ## the kernel rungs in a guest with Debian's 6.1 kernel, emulated; TESTS="..." chooses
	@$(PY) -m tests.kernels.guest $(TESTS)

runtime: install ## what the packages bundle: CPython, wheels, libbpf; kept in build/, or in VEDETTE_BUILD_CACHE
	@PYTHONPATH=packaging $(PY) -m runtime build

packages: install ## deb and rpm of agent and collector into dist/; ONLY=agent VERSION=1.2.3 OUT=dir SIGN_KEY=secret.asc NEXT_KEY=public.asc
	@PYTHONPATH=packaging:. $(PY) -m packages $(if $(ONLY),--only $(ONLY)) $(if $(VERSION),--version $(VERSION)) \
	    $(if $(SIGN_KEY),--sign-key $(SIGN_KEY)) $(if $(NEXT_KEY),--next-key $(NEXT_KEY)) $(if $(OUT),--out $(OUT))

runtime-profile: install ## count anew which branches CPython takes at our work, after its version was raised; needs clang, llvm
	@PYTHONPATH=packaging $(PY) -m runtime profile

test-runtime: runtime ## the built runtime: imports from any folder, symbol versions, equal bytes, licences
	@$(PY) -m pytest tests/packaging/test_runtime.py

wheels-lock: install ## packaging/wheels-*.lock anew, after pyproject.toml or requirements.lock changed
	@PYTHONPATH=packaging $(PY) -m runtime lock

test-packages: install ## boot hosts and collectors of Debian 12 and 13, install, upgrade, kill, remove; needs root; TESTS=... chooses
	@packaging/prerequisites.sh boot
	@$(PY) -m pytest -v --boot $(or $(TESTS),tests/packages)

test-deb: install ## the agent's deb around Debian's own Python, booted on Debian 12: two minutes, no build; skips what it cannot have
	@if [ "$$(id -u)" != 0 ]; then echo "Skipped: only root can boot systems"; \
	elif ! packaging/prerequisites.sh boot; then echo "Skipped: what boots systems could not be installed"; \
	else $(PY) -m pytest -v -rs --boot tests/packages/test_deb_of_a_stand_in.py; fi

fuzz: install ## ROUNDS=20: property tests with new examples each time
	@for round in $$(seq $(or $(ROUNDS),20)); do \
	    $(PY) -m pytest -q -n 2 --hypothesis-profile=default tests/property tests/evidence || exit 1; done

clean: ## remove what the demo may have left behind, and everything built
	@if [ -x $(PY) ]; then $(PY) -m range.demo --clean; fi
	@rm -rf $(VENV) .demo build dist .mypy_cache .ruff_cache .hypothesis agent/kernel/bpf/*.bpf.o
