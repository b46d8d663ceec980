"""The administrator's key pair of the embedded S3 server, in a file of `NAME=value` lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..daemon import write_atomically
from .keys import Key, write_key
from .names import new_access_key, new_secret_key

if TYPE_CHECKING:
    from pathlib import Path

ACCESS = "AWS_ACCESS_KEY_ID"
SECRET = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 - a name, not a secret


def read_administrator(path: Path) -> Key:
    """Read the pair; raises ValueError with a sentence when the file does not hold one."""
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise ValueError(f"the S3 administrator's key cannot be read: {error}") from error
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    if not values.get(ACCESS) or not values.get(SECRET):
        raise ValueError(f"{path} lacks {ACCESS} or {SECRET}; run flotta-s3 init")
    return Key(values[ACCESS].strip(), values[SECRET].strip(), bucket=None)


def ensure_administrator(path: Path, keys: Path) -> bool:
    """Make the pair once and see that the server knows it; returns whether anything changed."""
    created = not path.exists()
    if created:
        key = Key(new_access_key(), new_secret_key(), bucket=None)
        text = f"{ACCESS}={key.access_key}\n{SECRET}={key.secret_key}\n"
        write_atomically(path, text.encode(), 0o600)
    return write_key(keys, read_administrator(path)) or created
