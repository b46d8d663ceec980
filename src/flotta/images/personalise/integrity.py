"""Whether everything in an area fits together: nothing changed, nothing missing, nothing more."""

from __future__ import annotations

from collections.abc import Iterator, Set

from flotta.images.personalise.content import NO_ID, identify_content
from flotta.payload.tree import Payload, pack
from flotta.printable_text import printable


def find_problem(payload: Payload, data: bytes, base_id: str, others: Set[str]) -> str:
    """Return what is wrong first with a payload that was read from an area, "" for nothing.

    `data` is the whole area, `base_id` the content id of the base, "" for a seed. `others` are the
    paths of files that the base needs beside the payload.
    """
    return next(_problems(payload, data, base_id, others), "")


def _problems(payload: Payload, data: bytes, base_id: str, others: Set[str]) -> Iterator[str]:
    yield from _wrong_files(payload)
    for file in payload.others:
        if file.path not in others:
            yield f"the file {printable(file.path)} does not belong there"
    written = pack(payload.dumped, payload.files, payload.epoch, payload.others)
    if data[: len(written)] != written:
        yield "its archive is not as flotta.edge writes it"
    if _identify(payload, base_id) != payload.manifest.content_id:
        yield "its files and its base do not give its content id"


def _wrong_files(payload: Payload) -> Iterator[str]:
    expected = {file.path: file for file in payload.manifest.files}
    found = {file.path: file.describe() for file in payload.files}
    for path in sorted(expected.keys() | found.keys()):
        if expected.get(path) != found.get(path):
            yield f"the file {printable(path)} is not the one in the manifest"


def _identify(payload: Payload, base_id: str) -> str:
    manifest = payload.dumped.replace(payload.manifest.content_id.encode(), NO_ID.encode(), 1)
    files = [*payload.files, *payload.others]
    return identify_content(manifest, base_id, payload.epoch, files)
