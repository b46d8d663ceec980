"""Print what is wrong with the settings of a data store, in a sentence; nothing if they are good.

The arguments are URL, time-out and CA certificates of the role's inputs. The rules are those of the
Edge API, whose programs may not be there yet when the inputs are checked.
"""

from __future__ import annotations

import re
import ssl
import sys
from urllib.parse import urlsplit

BASE_PATH = "/api/flotta-backend/v1"
HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?|[0-9a-f:.]*:[0-9a-f:.]*")
UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
DURATION = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
LEAST, MOST = 0.01, 3600.0  # seconds
CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def is_url(url: str) -> bool:
    """Tell whether it is the URL of a store, bare or with the base path."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    path = parts.path.rstrip("/")
    return (
        parts.scheme in ("http", "https")
        and re.search(r"[@?#\s]", url) is None
        and HOST.fullmatch(host) is not None
        and port != 0
        and (not path or path.endswith(BASE_PATH))
    )


def is_duration(text: str) -> bool:
    """Tell whether it is a time as Go writes it, within the bounds."""
    seconds = sum(float(number) * UNITS[unit] for number, unit in DURATION.findall(text))
    return not DURATION.sub("", text) and LEAST <= seconds <= MOST


def has_certificates(pem: str) -> bool:
    """Tell whether every certificate of the text can be read, and there is one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    found: list[str] = CERTIFICATE.findall(pem)
    try:
        for text in found:
            context.load_verify_locations(cadata=ssl.PEM_cert_to_DER_cert(text))
    except (ssl.SSLError, ValueError):
        return False
    return bool(found)


def find_mistake(url: str, timeout: str, pem: str) -> str:
    """Return the sentence about the first bad setting, without its value: it may be secret."""
    if not is_url(url):
        return (
            "operator_remote_backend_url is not the URL of a data store. Set it to "
            f"https://HOST:PORT, without user name or password; its path is {BASE_PATH}, or is "
            "left out."
        )
    if not is_duration(timeout):
        return (
            "operator_remote_backend_timeout is not a duration from 10ms to 1h. Set it to one "
            "such as 5s or 500ms."
        )
    if pem and not has_certificates(pem):
        return (
            "operator_remote_backend_ca_pem does not contain certificates in PEM form. Set it to "
            "the content of the file of the CA, or leave it out."
        )
    return ""


if __name__ == "__main__":
    print(find_mistake(*sys.argv[1:]), end="")
