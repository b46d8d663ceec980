"""The URL of a remote data store, as users write it."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit, urlunsplit

from flotta.dns1123 import MAX_SUBDOMAIN, is_label
from flotta.protocol.configuration_api import BASE_PATH

PRINTABLE = re.compile(r"[!-~]+")  # what a request and its log line can hold


def checked_url(url: str, name: str) -> str:
    """Return the URL of a store with the base path, which is appended to a bare host.

    Raises ValueError with a sentence, which names the setting, for what is not such a URL.
    """
    if "@" in url:  # first, because the other sentences repeat the URL, and logs keep them
        raise ValueError(f"{name} contains a user name or password; the store is told by TLS alone")
    try:
        parts = urlsplit(url)
        has_host = _is_host(parts.hostname or "") and parts.port != 0
    except ValueError:
        raise ValueError(f"{name} is {url!r}; use https://HOST:PORT") from None
    if (
        PRINTABLE.fullmatch(url) is None
        or parts.scheme not in ("http", "https")
        or not has_host
        or parts.query
        or parts.fragment
    ):
        raise ValueError(f"{name} is {url!r}; use https://HOST:PORT")
    path = parts.path.rstrip("/")
    if path and not path.endswith(BASE_PATH):
        raise ValueError(f"{name} is {url!r}; its path must end with {BASE_PATH}, or be left out")
    return urlunsplit((parts.scheme, parts.netloc, path or BASE_PATH, "", ""))


def is_exposed(url: str) -> bool:
    """Tell whether others can read and change what is sent: with http beyond this host."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" or host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


def _is_host(text: str) -> bool:
    """Tell whether a name can be looked up, or is an address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:  # names of containers may have underscores
        labels = text.replace("_", "-").removesuffix(".").split(".")
        return len(text) <= MAX_SUBDOMAIN and all(map(is_label, labels))
    return True
