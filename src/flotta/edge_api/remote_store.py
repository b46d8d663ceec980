"""Where the data store of the backend `remote` is, and how the Edge API treats it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flotta.protocol.store_url import checked_url
from flotta.settings import edge_api as table
from flotta.settings.durations import parse_duration


@dataclass(frozen=True)
class RemoteStore:
    """A remote data store. Times are seconds (docs/reference/settings.md#edge-api)."""

    url: str  # with the base path, without a slash at its end
    timeout: float = parse_duration(table.REMOTE_BACKEND_TIMEOUT.default)  # of one call
    ca_file: Path | None = None  # None: the Flotta CA
    poll_seconds: float = table.REMOTE_BACKEND_POLL_SECONDS.default
    stale_seconds: float = table.REMOTE_BACKEND_STALE_SECONDS.default
    wipes_per_hour: int = table.REMOTE_BACKEND_WIPES_PER_HOUR.default

    @property
    def has_tls(self) -> bool:
        """Whether the store is reached by https, and asks for the certificate of the Edge API."""
        return self.url.startswith("https://")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> RemoteStore | None:
        """Return the store that an environment names, None where it names none.

        Raises ValueError with a sentence for an unusable value.
        """
        url = table.REMOTE_BACKEND_URL.read(environment)
        store = cls(
            url=checked_url(url, table.REMOTE_BACKEND_URL.variable) if url else "",
            timeout=parse_duration(table.REMOTE_BACKEND_TIMEOUT.read(environment)),
            ca_file=table.REMOTE_BACKEND_CA_FILE.read(environment),
            poll_seconds=table.REMOTE_BACKEND_POLL_SECONDS.read(environment),
            stale_seconds=table.REMOTE_BACKEND_STALE_SECONDS.read(environment),
            wipes_per_hour=table.REMOTE_BACKEND_WIPES_PER_HOUR.read(environment),
        )
        return store if url else None
