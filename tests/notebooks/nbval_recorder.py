"""A pytest plugin that writes down what nbval sees: each cell's outputs, and on which kernel.

The file's name stands in `DLLAB_NBVAL_RECORD`; it holds the class of the kernel's process and a
list of the cells' outputs.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

_record: dict[str, Any] = {"process": None, "cells": []}


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Note the cell's outputs, as long as its kernel is there."""
    process = item.parent.kernel.km.provisioner.process
    _record["process"] = process and type(process).__name__
    _record["cells"].append(item.test_outputs)


def pytest_sessionfinish() -> None:
    """Write what was noted."""
    Path(os.environ["DLLAB_NBVAL_RECORD"]).write_text(json.dumps(_record), "utf-8")
