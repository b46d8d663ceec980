"""Where the data store of the backend `remote` is, and how the Edge API treats it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from flotta.protocol.configuration_api import BASE_PATH
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
            url=checked_url(url) if url else "",
            timeout=parse_duration(table.REMOTE_BACKEND_TIMEOUT.read(environment)),
            ca_file=table.REMOTE_BACKEND_CA_FILE.read(environment),
            poll_seconds=table.REMOTE_BACKEND_POLL_SECONDS.read(environment),
            stale_seconds=table.REMOTE_BACKEND_STALE_SECONDS.read(environment),
            wipes_per_hour=table.REMOTE_BACKEND_WIPES_PER_HOUR.read(environment),
        )
        return store if url else None


def checked_url(url: str) -> str:
    """Return the URL of a store with the base path, which is appended to a bare host.

    Raises ValueError with a sentence for what is not such a URL.
    """
    name = table.REMOTE_BACKEND_URL.variable
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ValueError(f"{name} is {url!r}; use https://HOST:PORT") from None
    if parts.scheme not in ("http", "https") or not has_host or parts.query or parts.fragment:
        raise ValueError(f"{name} is {url!r}; use https://HOST:PORT")
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"{name} contains a user name or password; the store is told by TLS alone")
    path = parts.path.rstrip("/")
    if path and not path.endswith(BASE_PATH):
        raise ValueError(f"{name} is {url!r}; its path must end with {BASE_PATH}, or be left out")
    return urlunsplit((parts.scheme, parts.netloc, path or BASE_PATH, "", ""))
