# make demo   everything on the embedded crawl: install, run, mix, a minute of training
# make test   the tests

VENV := .venv
BIN := $(VENV)/bin
DEMO := demo

.PHONY: demo test lint install bench-install clean

demo: install
	$(BIN)/python examples/demo_crawl/build.py $(DEMO)/crawl
	$(BIN)/crawlmix run examples/demo.yaml
	$(BIN)/crawlmix mix show $(DEMO)/run --by kind
	$(BIN)/crawlmix train $(DEMO)/run --preset debug --minutes 1 --output $(DEMO)/model
	@$(BIN)/python examples/next_steps.py $(DEMO)

test: install
	$(BIN)/python -m pytest

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || python3 -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

bench-install: install
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,bench]'

clean:
	rm -rf $(VENV) $(DEMO)
