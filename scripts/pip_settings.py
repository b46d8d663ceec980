"""Print the settings that pip takes from the user's files and the environment, as one pip.conf.

A program that passes on neither, such as ansible-test, then installs from the same index, with its
CA. The file of the machine, /etc/pip.conf, is left out: pip reads it anyway. What wins over what:
https://pip.pypa.io/en/stable/topics/configuration/
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from configparser import RawConfigParser
from pathlib import Path

RETRIES = "10"


def files(environment: Mapping[str, str]) -> Iterator[Path]:
    """Yield the files of a user; a later one wins."""
    named = environment.get("PIP_CONFIG_FILE")
    if named == os.devnull:  # none of them
        return
    home = Path(environment["HOME"])
    yield home / ".pip/pip.conf"
    yield Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "pip/pip.conf"
    if named:
        yield Path(named)


def settings(environment: Mapping[str, str]) -> RawConfigParser:
    """Return what pip would use."""
    found = RawConfigParser()
    found.read(files(environment))
    variables = {
        name.removeprefix("PIP_").lower().replace("_", "-"): value
        for name, value in environment.items()
        if name.startswith("PIP_") and name != "PIP_CONFIG_FILE" and value
    }
    found.read_dict(dict.fromkeys(("global", *found.sections()), variables))
    found["global"]["retries"] = RETRIES
    return found


if __name__ == "__main__":
    settings(os.environ).write(sys.stdout)
