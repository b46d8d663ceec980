"""The auth proxy of `rclone serve s3`: the secret of an access key, and what the key opens.

rclone starts this program for an access key that it does not know yet, writes
`{"user": ACCESS_KEY}` to it and reads the backend's configuration; it then verifies the signature
of each request with the `_secret_access_key` in it (`rclone serve s3 --help`, "Auth Proxy"). So
every key has a secret of its own. A device's backend is a `combine` of its one bucket, so no other
bucket exists for it; the administrator's is the whole directory. Both lead through the gate of the
key (`key_gates`), by which it is closed although rclone remembers it.

Both use `hasher`, which remembers MD5 sums by size and time: without it each listing and each
ranged GET would read whole files to compute the ETag.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TextIO, TypedDict, cast

from flotta.storage.key_gates import KeyGates
from flotta.storage.key_store import read_key


class Question(TypedDict, total=False):
    """What rclone asks."""

    user: str  # the access key


def make_rclone_backend(access_key: str, keys: Path, gates: KeyGates) -> dict[str, str] | None:
    """Return the rclone backend for a key, None when the key is unknown.

    Its items are the options of the backend's `type`; those with an underscore belong to rclone's
    proxy protocol.
    """
    key = read_key(keys, access_key)
    if key is None or not key.secret_key:
        return None
    gates.open(access_key)
    if read_key(keys, access_key) is None:  # dropped meanwhile, maybe before there was a gate
        gates.close(access_key)
        return None
    root = gates.path_through(access_key)
    if key.bucket is None:
        remote = {"type": "hasher", "remote": str(root), "hashes": "md5", "max_age": "off"}
    else:
        upstream = (
            f"{key.bucket}=:hasher,remote={quote_value(root / key.bucket)},hashes=md5,max_age=off:"
        )
        remote = {"type": "combine", "upstreams": quote_list_item(upstream)}
    return {**remote, "_root": "", "_secret_access_key": key.secret_key}


def answer_question(request: TextIO, response: TextIO, keys: Path, gates: KeyGates) -> int:
    """Answer one question of rclone and return the exit status; 1 refuses the request."""
    # Only rclone writes to this program.
    question = cast("Question", json.load(request))
    found = make_rclone_backend(str(question.get("user", "")), keys, gates)
    if found is None:
        return 1
    json.dump(found, response)
    return 0


def quote_value(path: Path) -> str:
    """Quote a path as a value in a connection string (rclone docs, "Connection strings")."""
    return '"' + str(path).replace('"', '""') + '"'


def quote_list_item(upstream: str) -> str:
    """Quote one element of rclone's space separated lists, which follow the rules of CSV."""
    return '"' + upstream.replace('"', '""') + '"'
