"""The type of what the parsers of `flotta` add their commands to."""

from __future__ import annotations

import argparse
from typing import TypeAlias

Commands: TypeAlias = (
    "argparse._SubParsersAction[argparse.ArgumentParser]"  # generic in its stubs only
)
