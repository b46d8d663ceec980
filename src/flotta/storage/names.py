"""Bucket names and access keys (naming rules of Amazon S3: 3-63 characters of a-z, 0-9 and '-')."""

from __future__ import annotations

import hashlib
import re
import secrets
import string

_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_ACCESS_KEY = re.compile(r"[A-Z0-9]{16,32}")
_ALPHABET = string.ascii_uppercase + string.digits
_NAME_LENGTH = 50
_DIGEST_LENGTH = 8


def bucket_name(wanted: str, uid: str) -> str:
    """Derive a valid bucket name from a wished one; the claim's UID keeps it unique and stable."""
    readable = re.sub(r"[^a-z0-9]+", "-", wanted.lower())[:_NAME_LENGTH].strip("-")
    return f"{readable or 'bucket'}-{_digest(uid)}"


def is_bucket_of(name: str, uid: str) -> bool:
    """Say whether `bucket_name` can have made this name for the claim with this UID."""
    return is_bucket_name(name) and name.endswith(f"-{_digest(uid)}")


def is_bucket_name(name: str) -> bool:
    """Say whether the name is valid for a bucket; such a name is safe as a file name, too."""
    return _BUCKET.fullmatch(name) is not None


def new_access_key() -> str:
    """Return 20 random characters, the shape of an AWS access key id."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(20))


def new_secret_key() -> str:
    """Return 40 random URL-safe characters."""
    return secrets.token_urlsafe(30)


def is_access_key(text: str) -> bool:
    """Say whether the text has the shape of our access keys, so that it is safe as a file name."""
    return _ACCESS_KEY.fullmatch(text) is not None


def _digest(uid: str) -> str:
    return hashlib.sha256(uid.encode()).hexdigest()[:_DIGEST_LENGTH]
