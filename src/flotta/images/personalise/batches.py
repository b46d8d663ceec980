"""Many media from one base: what they share, and what each has of its own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flotta.images.settings.fields import Fields, invalid, text
from flotta.images.settings.medium import Settings, parse_settings
from flotta.printable_text import printable

MAX_OUTPUTS = 10_000  # each with some of the values that a file of YAML may have


@dataclass(frozen=True)
class Wanted:
    """A path, and what is to be on the medium there."""

    path: Path
    settings: Settings


def expand(given: Mapping[str, object], path: Path | None) -> Sequence[Wanted]:
    """Return the media of a mapping of settings.

    Its member `outputs` is a list of mappings with a `dest` each and settings that count more than
    the common ones; without it, there is one medium at `path`. Every one is checked before any is
    written. Raises ImageError with the path of the first wrong field.
    """
    outputs = given.get("outputs")
    common = {name: value for name, value in given.items() if name != "outputs"}
    if outputs is None:
        if path is None:
            raise invalid("output", "is missing; name the file to write")
        return [Wanted(path, parse_settings(common))]
    if path is not None:
        raise invalid("outputs", "and one output exclude each other")
    if not isinstance(outputs, list) or not 0 < len(outputs) <= MAX_OUTPUTS:
        raise invalid("outputs", f"is not a list of 1 to {MAX_OUTPUTS} media")
    wanted = [_read(item, f"outputs[{index}]", common) for index, item in enumerate(outputs)]
    _require_different(os.path.realpath(item.path) for item in wanted)
    ids = (item.settings.personalisation.device_id for item in wanted)
    _require_different(f"the device id {name}" for name in ids if name)
    return wanted


def _read(item: object, path: str, common: Mapping[str, object]) -> Wanted:
    dest = Path(Fields(item, path).require("dest", text))
    own = {name: value for name, value in _members(item) if name != "dest" and value is not None}
    return Wanted(dest, parse_settings({**without_replaced(common, own), **own}, path))


def _members(item: object) -> Sequence[tuple[str, object]]:
    return list(item.items()) if isinstance(item, dict) else []


def without_replaced(
    common: Mapping[str, object], own: Mapping[str, object]
) -> Mapping[str, object]:
    """Return the common settings without a file whose content is given, and the other way."""
    replaced = {f"{name}_file" for name in own} | {name.removesuffix("_file") for name in own}
    return {name: value for name, value in common.items() if name not in replaced}


def _require_different(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise invalid("outputs", f"has {printable(name)} twice")
        seen.add(name)
