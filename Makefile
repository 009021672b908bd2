# Every target sets up what it needs by itself (bin/python): nothing has to be installed or activated.

PYTHON := bin/python
TESTS := tests
# A process a core; each holds a TensorFlow of its own. The tests of a file share what they make. In
# the order of tests/conftest.py, whole pipelines first: the last file would keep one process alone.
PARALLEL := -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
# Each lock file begins with its command, in the form that Renovate reads: options with "=".
LOCK := $(PYTHON) -m uv pip compile --universal --python-version=3.10 --generate-hashes --quiet

# The wheel is built from the source distribution, in a directory that is removed afterwards, so
# that no file left over from an earlier build can be in it.
define run_tests
	directory=$$(mktemp -d) && trap 'rm -rf "$$directory"' EXIT && \
	$(PYTHON) -m build --no-isolation --outdir "$$directory/dist" . >"$$directory/log" 2>&1 \
		|| { cat "$$directory/log" >&2; exit 1; } && \
	$(PYTHON) -m pip install --quiet --no-deps --no-index --target "$$directory/installed" \
		"$$directory"/dist/*.whl && \
	BRAIN_MRI_PATH="$$directory/installed" $(PYTHON) -m pytest $(PARALLEL) -m "$(1)" $(TESTS) $(ARGS)
endef

ifdef GPU
export BRAIN_MRI_GPU := $(GPU)
endif

.DEFAULT_GOAL := help
.PHONY: help run test test-quick test-slow lint imports format typecheck docs licences audit sbom lock wheel \
	clean clean-env

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  ARGS='...' adds arguments: make run ARGS='--data FOLDER'. GPU=1 takes the GPU build."

run: ## Train, evaluate and push a model on a synthetic sample
	@bin/mri run --preset sample $(ARGS)

test: ## Build and install the package, and run all tests but the slow ones on it
	@$(call run_tests,not slow)

test-slow: ## The same with the slow tests only
	@$(call run_tests,slow)

test-quick: ## Run the tests that take a minute in all, on this checkout as it is, without building
	@$(PYTHON) -m pytest $(PARALLEL) -m "not long and not slow" $(TESTS) $(ARGS)

lint: imports ## Check style (ruff) and imports
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .

imports: ## Check what imports what (import-linter)
	@$(PYTHON) -c "from importlinter.cli import lint_imports_command as lint; lint()" \
		--no-logo --no-cache

format: ## Put style right where that can be done by machine
	@$(PYTHON) -m ruff check --fix-only .
	@$(PYTHON) -m ruff format .

typecheck: ## Check types (mypy)
	@$(PYTHON) -m mypy

docs: ## Build the documentation as a site, links checked, into site/
	@# Not --quiet: it would keep warnings from failing the build.
	@NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict
	@echo "site/index.html"

licences: ## List the licences of what is installed, and refuse those in pyproject.toml
	@bash -o pipefail -c '$(PYTHON) -m piplicenses | cut -c -100'

# --strict: a package of which nothing is known fails the audit, too.
audit: ## Look up known vulnerabilities of what is locked; asks the package index for them
	@$(PYTHON) -m pip_audit --strict --disable-pip --require-hashes --progress-spinner off \
		--requirement requirements/lock.txt $(ARGS) \
		|| { echo "make audit: not clean. Either vulnerabilities are listed above, or a package" \
		"could not be audited: then the package index in use serves no advisories, and nothing is" \
		"known of any package. Try again where pypi.org answers, or with ARGS='--vulnerability-service osv'." >&2; \
		exit 1; }

sbom: ## Write what is locked as a CycloneDX bill of materials into dist/
	@mkdir -p dist
	@$(PYTHON) -m cyclonedx_py requirements requirements/lock.txt --mc-type application \
		--output-reproducible --output-format JSON --output-file dist/sbom.json
	@echo "dist/sbom.json"

lock: ## Make the lock files anew from requirements/*.in, with the versions kept that still fit
	@cd requirements && ../$(LOCK) --output-file=lock.txt \
		base.in kubeflow.in web.in dicom.in s3.in sample.in pacs.in mlflow.in signing.in dev.in
	@cd requirements && ../$(LOCK) --output-file=lock-gpu.txt --constraints=lock.txt gpu.in

wheel: ## Build the source distributions and wheels, of all and of the client alone, into dist/
	@log=$$(mktemp) && trap 'rm -f "$$log"' EXIT && \
	{ $(PYTHON) -m build --no-isolation --outdir dist . && \
	$(PYTHON) bin/client_wheel.py --outdir dist; } >"$$log" 2>&1 || { cat "$$log" >&2; exit 1; }
	@ls dist/*.whl

clean: ## Remove what building and checking left in this checkout
	@rm -rf build dist site *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

clean-env: ## Remove this checkout's environment; ALL=1 removes all of them
	@bin/python --remove-environment $(if $(ALL),all)
