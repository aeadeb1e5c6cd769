# The four commands of the workshop. A fresh machine needs Python >= 3.11 with pip and venv, make and git.
#
# A CPython that was built without profile-guided optimisation (pyenv's are) takes a sixth longer for everything; those
# of distributions are built with it. So where python3 is of the slow kind, the system's is taken if it will do.
OPTIMISED := import sys, sysconfig; \
	sys.exit(sys.prefix != "/usr" and "--enable-optimizations" not in str(sysconfig.get_config_var("CONFIG_ARGS")))
USABLE := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell if ! python3 -c '$(OPTIMISED)' && /usr/bin/python3 -c '$(USABLE)'; \
	then echo /usr/bin/python3; else echo python3; fi 2>/dev/null)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.smppbridge-installed

.PHONY: setup demo test format

setup: $(STAMP)

# The stamp lives inside the environment, so that removing the environment removes it too.
$(STAMP): requirements.txt requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python >= 3.11 is needed: make PYTHON=python3.12 …")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

demo: setup
	$(BIN)/smppbridge demo

test: setup
	$(BIN)/python tools/check.py

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
