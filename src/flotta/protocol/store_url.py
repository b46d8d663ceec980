"""The URL of a remote data store, as users write it."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from flotta.protocol.configuration_api import BASE_PATH


def checked_url(url: str, name: str) -> str:
    """Return the URL of a store with the base path, which is appended to a bare host.

    Raises ValueError with a sentence, which names the setting, for what is not such a URL.
    """
    if "@" in url:  # first, because the other sentences repeat the URL, and logs keep them
        raise ValueError(f"{name} contains a user name or password; the store is told by TLS alone")
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ValueError(f"{name} is {url!r}; use https://HOST:PORT") from None
    if parts.scheme not in ("http", "https") or not has_host or parts.query or parts.fragment:
        raise ValueError(f"{name} is {url!r}; use https://HOST:PORT")
    path = parts.path.rstrip("/")
    if path and not path.endswith(BASE_PATH):
        raise ValueError(f"{name} is {url!r}; its path must end with {BASE_PATH}, or be left out")
    return urlunsplit((parts.scheme, parts.netloc, path or BASE_PATH, "", ""))
