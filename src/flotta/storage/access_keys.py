"""S3 access keys: an id, its secret, and the bucket that they open."""

from __future__ import annotations

import re
import secrets
import string
from dataclasses import dataclass

ID = re.compile(r"[A-Z0-9]{16,32}")
ID_ALPHABET = string.ascii_uppercase + string.digits
ID_LENGTH = 20  # characters, as at AWS
SECRET_BYTES = 30  # of randomness: 40 characters


@dataclass(frozen=True)
class AccessKey:
    """`access_key` is the id; `bucket` the only bucket it opens, None for an administrator's."""

    access_key: str
    secret_key: str
    bucket: str | None

    def __repr__(self) -> str:
        return f"AccessKey({self.access_key}, bucket={self.bucket})"


def new_access_key_id() -> str:
    """Return 20 random characters, the form of an AWS access key id."""
    return "".join(secrets.choice(ID_ALPHABET) for _ in range(ID_LENGTH))


def new_secret_key() -> str:
    """Return 40 random URL-safe characters."""
    return secrets.token_urlsafe(SECRET_BYTES)


def is_access_key_id(text: str) -> bool:
    """Tell whether the text has the form of our key ids, which makes it safe as a file name."""
    return ID.fullmatch(text) is not None
