"""Command lines of our own programs in the drop-in of a unit (systemd.syntax(7))."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import flotta

UNIT_NAME = "%n"  # systemd replaces it


def render_command(module: str, *words: str) -> str:
    """Return a line that runs a module of ours with these words, which may be `UNIT_NAME`."""
    python, packages = find_program()
    places = ":".join([packages, *filter(None, [os.environ.get("PYTHONPATH")])])
    own = ("/usr/bin/env", f"PYTHONPATH={places}", python, "-P", "-m", module)
    return " ".join(word if word == UNIT_NAME else quote(word) for word in (*own, *words))


def find_program(arguments: Sequence[str] = sys.argv) -> tuple[str, str]:
    """Return a Python and the directory with our packages, for a program of another process.

    Where the worker was started through a link that is switched by an upgrade, both lead through
    that link, so that a pod starts with any release.
    """
    packages = Path(flotta.__file__).parent.parent
    environment = Path(sys.prefix)
    started = Path(arguments[0]).parent.parent if arguments else environment
    python = Path("bin") / Path(sys.executable).name
    if started.is_absolute() and _is_same(started, environment) and (started / python).exists():
        if packages.is_relative_to(environment):
            packages = started / packages.relative_to(environment)
        return str(started / python), str(packages)
    return sys.executable, str(packages)


def _is_same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def quote(word: str) -> str:
    """Return a word of a line of a unit: a path with any character."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if set(escaped) & set(" \t'\"\\;") else escaped
