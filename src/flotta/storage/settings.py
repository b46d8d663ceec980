"""Where the buckets are and who issues their keys: the operator's `S3_*` environment.

An administrator names one S3 site and exactly one issuer of access keys
(docs/how-to/provide-storage.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flotta.settings import storage as table
from flotta.settings.setting import Endpoint, Setting
from flotta.storage.endpoints import checked_endpoint


@dataclass(frozen=True)
class StorageSettings:
    """One S3 site: addresses, CA, the administrator's key, and one of the three issuers."""

    device_endpoint: str  # https://host:port, as devices reach it
    endpoint: str  # as the operator reaches it
    admin_file: Path  # a file of NAME=value lines, or a folder with one file for each name
    region: str = table.S3_REGION.default
    ca_file: Path | None = None
    keys: Path | None = None  # key directory of the embedded server
    iam_endpoint: str | None = None
    shared_keys: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> StorageSettings | None:
        """Read the settings, None when there are none; ValueError with a sentence for a bad one."""
        given = [item for item in table.STORAGE if _is_given(item, environment)]
        if not given:
            return None
        _require_whole(given)
        device_endpoint = _read_endpoint(table.S3_DEVICE_ENDPOINT, environment)
        endpoint = _read_endpoint(table.S3_ENDPOINT, environment, ("https", "http"))
        return cls(
            device_endpoint=device_endpoint,
            endpoint=endpoint or device_endpoint,
            admin_file=table.S3_ADMIN_FILE.read(environment) or Path(),
            region=table.S3_REGION.read(environment),
            ca_file=table.S3_CA_FILE.read(environment),
            keys=table.S3_KEYS_DIR.read(environment),
            iam_endpoint=_read_endpoint(table.S3_IAM_ENDPOINT, environment) or None,
            shared_keys=table.S3_SHARED_KEYS.read(environment),
        )


def _is_given(setting: Setting[object], environment: Mapping[str, str]) -> bool:
    """Tell whether somebody chose something; `S3_SHARED_KEYS=false` chooses nothing."""
    set_at_all = bool(environment.get(setting.variable, "").strip())
    return set_at_all and setting.read(environment) is not False


def _read_endpoint(
    setting: Endpoint, environment: Mapping[str, str], schemes: tuple[str, ...] = ("https",)
) -> str:
    return checked_endpoint(setting.read(environment), setting.variable, schemes)


def _require_whole(given: Sequence[Setting[object]]) -> None:
    needed = (table.S3_DEVICE_ENDPOINT, table.S3_ADMIN_FILE)
    missing = [item.variable for item in needed if item not in given]
    if missing:
        raise ValueError(f"{' and '.join(missing)} must also be set to provision bucket claims")
    chosen = [item.variable for item in table.ISSUERS if item in given]
    if not chosen:
        raise ValueError(
            "nothing issues access keys for the buckets; set S3_IAM_ENDPOINT (a separate user for "
            "each bucket), S3_KEYS_DIR (embedded server) or S3_SHARED_KEYS=true "
            "(no isolation of devices)"
        )
    if len(chosen) > 1:
        raise ValueError(f"{' and '.join(chosen)} exclude each other; keep one of them")
