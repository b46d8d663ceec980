"""`/flotta/base.json`: what an ISO says of itself that has an area for settings.

The members are in docs/reference/images.md#base-record. A reader ignores those it does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from flotta.protocol.json_text import decode_json

PATH = "/flotta/base.json"
AREA = "/flotta/payload.img"
AREA_SIZE = 262144  # bytes, of zeros while it is free
FORMAT = 1
LIVE = "flotta-live"
Text = Annotated[str, Meta(max_length=256)]


class BaseRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a base is; `content_id` is the same for bases that were made from the same."""

    format: int
    kind: Text  # of the system: a name in `flotta.images.bases`
    release: Text  # of the flotta.edge in it
    architecture: Text
    content_id: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] = msgspec.field(name="contentID")
    suite: Text = ""
    kernel: Text = ""
    epoch: int = 0
    inputs: Text = ""  # digest of what `flotta image build` made it from
    packages: Mapping[Text, Text] = {}


def dump_record(record: BaseRecord) -> bytes:
    """Return the record as JSON, the same bytes for the same content."""
    return msgspec.json.encode(record, order="deterministic") + b"\n"


def parse_record(data: bytes) -> BaseRecord:
    """Read a record. Raises ValueError for none, and for one of a later format."""
    record = decode_json(data, BaseRecord)
    if record.format != FORMAT:
        raise ValueError(f"it has format {record.format}; this release reads format {FORMAT}")
    return record
