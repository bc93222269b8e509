# Each target does all the set-up itself: a virtual environment in .venv with pinned versions.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
EXTRAS := train,viz,kg,poker,arc,hub,onnx,sklearn,examples,test,docs,dev

.PHONY: demo test test-all check docs lock clean

# Train on the Alyawarra kinship graph and compare with the published results.
demo: $(READY)
	$(BIN)/einnet train kg --dataset kinship --minutes 6

# A sample of the large grids, without the slow tests: at most 5 minutes on two cores.
test: $(READY) check
	$(BIN)/python -m pytest -n 2 --durations 10

# Every test and every case.
test-all: $(READY) check
	$(BIN)/python -m pytest -n 2 --durations 10 --all

# Lint, format, types, and that imports go one way.
check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright --warnings

# The pages of docs/ as a site in site/; `python -m http.server -d site` shows it, search included.
docs: $(READY)
	$(BIN)/python docs/build_site.py

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	touch $(READY)

# The hashes of all that is installed in .venv, on any system; needs uv.
lock:
	echo '.[$(EXTRAS)]' | uv pip compile - -c constraints.txt --universal --python-version 3.11 --generate-hashes \
		--no-annotate --no-emit-package einnet --custom-compile-command 'make lock' -q -o requirements.lock

clean:
	rm -rf .venv
