"""Writing of media for `flotta image personalise` and `seed`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

from flotta.images.personalise.batches import Wanted
from flotta.images.personalise.outputs import Output, Result, personalise
from flotta.images.personalise.prepared import BaseFile
from flotta.images.personalise.sources import open_source
from flotta.printable_text import printable


def write_media(
    base: BaseFile | None, wanted: Sequence[Wanted], options: argparse.Namespace
) -> str:
    """Write the media and return a line for each; warnings go to standard error at once."""
    return "\n".join(_write(base, wanted, options))


def _write(
    base: BaseFile | None, wanted: Sequence[Wanted], options: argparse.Namespace
) -> Iterator[str]:
    warned: set[str] = set()
    with open_source(base) as source:
        for item in wanted:
            output = Output(
                item.path, item.settings, force=options.force, thorough=options.thorough
            )
            result = personalise(source, output, options.check)
            for warning in set(result.warnings) - warned:
                print(f"flotta: {printable(warning)}", file=sys.stderr)
            warned.update(result.warnings)
            yield _describe(result, options.check)


def _describe(result: Result, check: bool) -> str:
    action = "is up to date"
    if result.changed:
        action = "would be written" if check else "is written"
    manifest = result.content.manifest
    return (
        f"{printable(str(result.path))} {action}: {result.size} bytes, certificate "
        f"{manifest.serial_number} until {manifest.not_after}, content {manifest.content_id[:16]}"
    )
