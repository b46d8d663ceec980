"""The commands of the programs, one module each with a function `run(options)`.

A module is imported when its command is asked for, so `--help` and a command that must be quick do
not pay for the Kubernetes client or the servers.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Any


def run_command(module: str, options: argparse.Namespace) -> Any:
    """Import the module of a command, call its `run` and return what that returns."""
    return import_module(f"{__name__}.{module}").run(options)
