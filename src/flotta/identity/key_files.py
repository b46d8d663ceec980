"""Certificate and key as files for a moment: OpenSSL reads them from paths only."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class KeyFiles(NamedTuple):
    """Where a certificate and its key are."""

    certificate: Path
    key: Path


@contextlib.contextmanager
def key_files(certificate: bytes, key: bytes) -> Iterator[KeyFiles]:
    """Write both as files that only this account can read, until the block is left."""
    with tempfile.TemporaryDirectory(prefix="flotta-edge-api-") as name:
        files = KeyFiles(Path(name, "certificate.pem"), Path(name, "key.pem"))
        files.certificate.write_bytes(certificate)
        handle = os.open(files.key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(key)
        yield files
