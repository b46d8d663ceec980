"""What the worker itself keeps of key and certificate: one file, replaced by one rename.

It has private keys, so only the worker's user may read it, and no text about it quotes it.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from flotta.durable_files import read_bounded, write_atomically
from flotta.protocol.envelope import encode
from flotta.protocol.json_text import decode_json
from flotta.worker.certificate_session import CERTIFICATE_RECORD
from flotta.worker.own_certificate.pair import MAX_PEM, Pair

MAX_RECORD = 8 * MAX_PEM  # bytes: up to four files and a key, in base64


class Record(msgspec.Struct, omit_defaults=True):
    """The content of the file.

    `current` is what has to be in the files of the gateway, `before` what was there before, until
    the control plane has accepted `current`. `pending_key` is that of a request without a response.
    All are bytes, base64 in the file: what others wrote around a PEM has any encoding.
    """

    cert_file: str = ""
    key_file: str = ""
    current: Pair | None = None
    before: Pair | None = None
    pending_key: bytes = b""


def read_record(folder: Path) -> Record:
    """Return the record, an empty one if there is none that can be read."""
    try:
        return decode_json(read_bounded(folder / CERTIFICATE_RECORD, MAX_RECORD), Record)
    except (OSError, ValueError):
        return Record()


def write_record(folder: Path, record: Record) -> None:
    """Replace the record durably; raises OSError."""
    write_atomically(folder / CERTIFICATE_RECORD, encode(record))
