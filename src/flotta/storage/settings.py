"""Where the buckets are and who issues their keys: the operator's `S3_*` environment.

An administrator names one S3 site and exactly one issuer of access keys
(docs/how-to/provide-storage.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flotta.environment import read_flag
from flotta.storage.endpoints import checked_endpoint

DEFAULT_REGION = "us-east-1"
ISSUERS = ("S3_KEYS_DIR", "S3_IAM_ENDPOINT", "S3_SHARED_KEYS")
NAMES = (
    *("S3_DEVICE_ENDPOINT", "S3_ENDPOINT", "S3_CA_FILE", "S3_ADMIN_FILE", "S3_REGION"),
    *ISSUERS,
)


@dataclass(frozen=True)
class StorageSettings:
    """One S3 site: addresses, CA, the administrator's key, and one of the three issuers."""

    device_endpoint: str  # https://host:port, as devices reach it
    endpoint: str  # as the operator reaches it
    admin_file: Path  # a file of NAME=value lines, or a folder with one file for each name
    region: str = DEFAULT_REGION
    ca_file: Path | None = None
    keys: Path | None = None  # key directory of the embedded server
    iam_endpoint: str | None = None
    shared_keys: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> StorageSettings | None:
        """Read the settings, None when there are none; ValueError with a sentence for a bad one."""
        given = {name: environment.get(name, "").strip() for name in NAMES}
        shared = read_flag(environment, "S3_SHARED_KEYS", default=False)
        if not shared:
            given["S3_SHARED_KEYS"] = ""
        if not any(given.values()):
            return None
        _require_whole(given)
        device_endpoint = checked_endpoint(given["S3_DEVICE_ENDPOINT"], "S3_DEVICE_ENDPOINT")
        endpoint = checked_endpoint(given["S3_ENDPOINT"], "S3_ENDPOINT", ("https", "http"))
        return cls(
            device_endpoint=device_endpoint,
            endpoint=endpoint or device_endpoint,
            admin_file=Path(given["S3_ADMIN_FILE"]),
            region=given["S3_REGION"] or DEFAULT_REGION,
            ca_file=_path(given["S3_CA_FILE"]),
            keys=_path(given["S3_KEYS_DIR"]),
            iam_endpoint=checked_endpoint(given["S3_IAM_ENDPOINT"], "S3_IAM_ENDPOINT") or None,
            shared_keys=shared,
        )


def _require_whole(given: Mapping[str, str]) -> None:
    missing = [name for name in ("S3_DEVICE_ENDPOINT", "S3_ADMIN_FILE") if not given[name]]
    if missing:
        raise ValueError(
            f"{' and '.join(missing)} must be set too, for bucket claims to be answered"
        )
    chosen = [name for name in ISSUERS if given[name]]
    if not chosen:
        raise ValueError(
            "nothing issues keys for the buckets; set S3_IAM_ENDPOINT (a user of its own for each "
            "bucket), S3_KEYS_DIR (embedded server) or S3_SHARED_KEYS=true "
            "(no isolation of devices)"
        )
    if len(chosen) > 1:
        raise ValueError(f"{' and '.join(chosen)} exclude each other; keep one of them")


def _path(text: str) -> Path | None:
    return Path(text) if text else None
