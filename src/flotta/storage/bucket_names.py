"""Bucket names by the rules of Amazon S3: 3-63 characters of a-z, 0-9 and '-'.

The rule for claims: docs/reference/control-plane.md#how-the-operator-provisions-a-claim.
"""

from __future__ import annotations

import hashlib
import re

BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
NAME_LENGTH = 50  # characters of the requested name
DIGEST_LENGTH = 8  # characters of the digest of the claim's UID


def make_bucket_name(wanted: str, uid: str) -> str:
    """Derive a valid name from the requested one; the claim's UID makes it unique and stable."""
    readable = re.sub(r"[^a-z0-9]+", "-", wanted.lower())[:NAME_LENGTH].strip("-")
    return f"{readable or 'bucket'}-{_digest(uid)}"


def is_bucket_of(name: str, uid: str) -> bool:
    """Tell whether `make_bucket_name` can have made this name for the claim with this UID."""
    return is_bucket_name(name) and name.endswith(f"-{_digest(uid)}")


def is_bucket_name(name: str) -> bool:
    """Tell whether the name is valid for a bucket; a valid name is also safe as a file name."""
    return BUCKET.fullmatch(name) is not None


def _digest(uid: str) -> str:
    return hashlib.sha256(uid.encode()).hexdigest()[:DIGEST_LENGTH]
