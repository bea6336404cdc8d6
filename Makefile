# make demo    the whole way on drawn fruit: data, training, measuring, export, detectnet, a picture
# make test    set up and run the tests; make test-all also those that take long
# make check   lint, format and types
# make bench   every benchmark, one table
# make setup   only the environment in .venv

PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python
DEMO := models/demo
FRUIT := data/fruit-drawn

.PHONY: demo test test-all check bench setup setup-dev clean-demo

setup: $(VENV)/.installed
setup-dev: $(VENV)/.installed-dev

# A torch or a cv2 that is already there, as on a Jetson, is used and not installed again. NVIDIA's
# torch of JetPack 5 calls itself 2.1.0a0, which is before 2.1 to pip: so it is asked by two numbers.
# A torchvision of PyPI would bring its own torch; without one, our own suppression is used.
HAS_TORCH := import torch; assert tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 1)

$(VENV)/bin/python:
	@if $(PYTHON) -c "import torch" 2>/dev/null; then \
		echo "using the torch that $(PYTHON) has"; $(PYTHON) -m venv --system-site-packages $(VENV); \
	else $(PYTHON) -m venv $(VENV); fi

$(VENV)/.installed: requirements.txt | $(VENV)/bin/python
	@there="^#"; \
	if $(RUN) -c "import cv2" 2>/dev/null; then there="$$there|^opencv-python"; fi; \
	if $(RUN) -c '$(HAS_TORCH)' 2>/dev/null; then there="$$there|^torch"; fi; \
	grep -Ev "$$there" requirements.txt > $(VENV)/needed.txt
	$(RUN) -m pip install --quiet -r $(VENV)/needed.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	@grep -v "^-r" requirements-dev.txt > $(VENV)/needed-dev.txt
	$(RUN) -m pip install --quiet -r $(VENV)/needed-dev.txt
	@touch $@

test: setup-dev
	$(RUN) -m pytest -n 2 --dist worksteal -m "not slow"

test-all: setup-dev
	$(RUN) -m pytest -n 2 --dist worksteal

check: setup-dev
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

bench: setup-dev
	$(RUN) benchmarks/run_all.py

demo: setup
	$(RUN) data/draw_fruit.py $(FRUIT) --images 1500 --size 320
	$(RUN) train_ssd.py --data $(FRUIT) --model-dir $(DEMO) --overwrite --net mb3-small-ssd-lite \
		--pretrained-ssd none --resolution 224 --batch-size 16 --epochs 9 \
		--validation-epochs 8 --optim-choose adamw --lr 0.01 --base-net-lr 0.01 --warm-up 150 \
		--debug-steps 0
	$(RUN) eval_ssd.py --model-dir $(DEMO) --dataset $(FRUIT) --split test
	$(RUN) onnx_export.py --model-dir $(DEMO) --nms
	$(RUN) run_ssd_example.py --model $(DEMO)/mb3-small-ssd-lite.onnx --postprocess detectnet \
		--output $(DEMO)/pictures $(FRUIT)/test
	@echo
	@$(RUN) -c "import json; found = json.load(open('$(DEMO)/evaluation/results.json')); \
		print(f'measured   mAP {found[\"mAP\"]:.2f} on {found[\"pictures\"]} pictures it has not seen')"
	@echo "report     $(DEMO)/evaluation/report.html"
	@echo "pictures   $(DEMO)/pictures"
	@echo "to Jetson  $(DEMO)/mb3-small-ssd-lite.onnx, labels.txt, and detectnet.txt with the command"
	@echo "next       README.md: your own detector"

clean-demo:
	rm -rf $(DEMO) $(FRUIT)
