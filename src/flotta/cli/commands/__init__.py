"""The commands of the programs, one module each with a function `run(options)`.

A module is imported when its command runs, so that `--help` and commands that must be quick do not
pay for the Kubernetes client or the servers.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Protocol, cast

OF_IMAGES = ("jinja2", "pyfiglet")  # only who makes images has them


class Command(Protocol):
    """The module of a command."""

    def run(self, options: argparse.Namespace, /) -> str | int | None:
        """Carry the command out; raises ValueError with a sentence when something is wrong."""


def run_command(module: str, options: argparse.Namespace) -> str | int | None:
    """Import the module of a command, call its `run` and return what that returns.

    It is the text to print (`flotta`) or the exit status (`flotta-s3`); None for neither.
    Raises ValueError with a sentence if the packages of an extra are missing.
    """
    try:
        command = cast("Command", import_module(f"{__name__}.{module}"))  # each has this function
    except ModuleNotFoundError as error:
        if error.name not in OF_IMAGES:
            raise
        raise ValueError(
            f"{error.name} is not installed. Install the programs with the extra images, as "
            "programs_extras=images does, or pip install 'flotta-edge[images]'"
        ) from None
    return command.run(options)
