"""Whether wheels can be installed on a system: by the tags in their names (PEP 425, PEP 427)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from flotta.images.build.wheelhouse import Wheelhouse, unusable

PYTHON_TAG = re.compile(r"(py|cp)(\d)(\d*)")
SHOWN = 3  # wheels in a message


def require_fitting_wheels(house: Wheelhouse, machine: str, python: str) -> None:
    """Raise ImageError unless one wheel of each distribution fits a system.

    `machine` is a name of `uname -m`, `python` major.minor; "" accepts any.
    """
    fitting: dict[str, list[str]] = {}
    for wheel in house.wheels:
        found = fitting.setdefault(wheel.partition("-")[0], [])
        if fits(wheel, machine, python):
            found.append(wheel)
    missing = sorted(name for name, wheels in fitting.items() if not wheels)
    if missing:
        system = " and ".join(filter(None, [python and f"Python {python}", machine]))
        more = " and others" if len(missing) > SHOWN else ""
        raise unusable(
            house.path,
            f"has no wheel of {', '.join(missing[:SHOWN])}{more} for {system} of the system",
        )


def fits(wheel: str, machine: str, python: str) -> bool:
    """Tell whether a wheel can be installed there; a name of another form fits nothing."""
    parts = wheel.removesuffix(".whl").split("-")
    if len(parts) < 5:
        return False
    pythons, abis, platforms = (part.split(".") for part in parts[-3:])
    return _fits_platform(platforms, machine) and _fits_python(pythons, abis, python)


def _fits_platform(tags: Sequence[str], machine: str) -> bool:
    if "any" in tags:
        return True
    # Debian has glibc.
    kinds = ("manylinux", "linux")
    return any(tag.startswith(kinds) and tag.endswith(machine) for tag in tags)


def _fits_python(pythons: Sequence[str], abis: Sequence[str], wanted: str) -> bool:
    if not wanted:
        return True
    major, minor = (int(number) for number in wanted.split("."))
    for match in filter(None, map(PYTHON_TAG.fullmatch, pythons)):
        kind, found = match[1], (int(match[2]), int(match[3] or 0))
        older = found[0] == major and found[1] <= minor
        if found == (major, minor) or (older and (kind == "py" or "abi3" in abis)):
            return True
    return False
