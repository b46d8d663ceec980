"""Compare the roles' defaults/main.yml with their meta/argument_specs.yml.

Usage: role_arguments.py ROLES. Prints every difference in names or default values.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import yaml
from role_inputs import Option


def documented(option: Option, value: object) -> bool:
    """Tell whether the option documents that default.

    A template for a value other than a string may be left to the option's description.
    """
    if "default" not in option and option.get("type") != "str":
        return isinstance(value, str) and "{{" in value
    return option.get("default") == value


def differences(role: Path) -> Iterator[str]:
    """Yield where the inputs that `role` documents differ from those it has."""
    specs = role / "meta/argument_specs.yml"
    if not specs.exists():
        yield "has no meta/argument_specs.yml"
        return
    main = yaml.safe_load(specs.read_text())["argument_specs"]["main"]
    options: dict[str, Option] = main.get("options", {})
    defaults: dict[str, object] = yaml.safe_load((role / "defaults/main.yml").read_text()) or {}
    for name in defaults.keys() - options.keys():
        yield f"{name} is not in meta/argument_specs.yml"
    for name, option in options.items():
        if name not in defaults and not option.get("required") and "default" in option:
            yield f"{name} has a default that is not in defaults/main.yml"
        if name in defaults and not documented(option, defaults[name]):
            yield f"{name} defaults to {defaults[name]!r}, documented as {option.get('default')!r}"


def main() -> int:
    """Print the differences of all roles."""
    found = [
        f"{role.name}: {text}"
        for role in sorted(Path(sys.argv[1]).iterdir())
        for text in differences(role)
    ]
    print(*found, sep="\n", end="\n" if found else "")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
