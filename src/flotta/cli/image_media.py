"""Writing of media for `flotta image personalise` and `seed`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from flotta.images.personalise.batch_writing import personalise_all
from flotta.images.personalise.batches import Wanted
from flotta.images.personalise.outputs import Output
from flotta.images.personalise.prepared import BaseFile
from flotta.images.personalise.results import Result
from flotta.images.personalise.sources import open_source
from flotta.images.termination import end_orderly
from flotta.printable_text import printable


def write_media(
    base: BaseFile | None, wanted: Sequence[Wanted], options: argparse.Namespace
) -> str:
    """Write the media and print a line for each as soon as it is there; returns nothing more."""
    warned: set[str] = set()
    outputs = [
        Output(item.path, item.settings, force=options.force, thorough=options.thorough)
        for item in wanted
    ]
    with end_orderly(), open_source(base) as source:
        for result in personalise_all(source, outputs, options.check):
            for warning in set(result.warnings) - warned:
                print(f"flotta: {printable(warning)}", file=sys.stderr)
            warned.update(result.warnings)
            print(_describe(result, options.check), flush=True)
    return ""


def _describe(result: Result, check: bool) -> str:
    action = "is up to date"
    if result.changed:
        action = "would be written" if check else "is written"
    manifest = result.content.manifest
    return (
        f"{printable(str(result.path))} {action}: {result.size} bytes, certificate "
        f"{manifest.serial_number} until {manifest.not_after}, content {manifest.content_id[:16]}"
    )
