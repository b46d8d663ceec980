"""YAML text that every reader understands the same way.

PyYAML follows YAML 1.1, device agents often 1.2: a plain `1e3`, `0o7` or `y` is a string in one
version and something else in the other, so every string that could be misread is quoted.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

BASE: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
MISTAKABLE = re.compile(r"[-+.0-9].*|[yYnN]|", re.DOTALL)


class _Dumper(BASE):  # type: ignore[misc]
    """Writes no anchors and quotes ambiguous strings."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: Any, text: str) -> Any:
    style = "'" if MISTAKABLE.fullmatch(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def dump_yaml(document: Any, *, sort_keys: bool = True) -> str:
    """Return a YAML document, by default with sorted keys."""
    text: str = yaml.dump(
        document,
        Dumper=_Dumper,
        default_flow_style=False,
        allow_unicode=True,
        width=4096,
        sort_keys=sort_keys,
    )
    return text
