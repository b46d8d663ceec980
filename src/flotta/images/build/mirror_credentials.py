"""Name and password in the address of a mirror: apt gets them in a file, nobody else sees them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

from flotta.images.errors import ImageError
from flotta.protocol.reasons.images import INVALID_SETTINGS

ADDRESS = re.compile(r"(?P<scheme>[a-z+]+://)(?P<given>[^/\s]*)@(?P<place>[^\s\]]*)", re.IGNORECASE)


def without_credentials(line: str) -> str:
    """Return an address, or a line of sources.list, without name and password."""
    return ADDRESS.sub(lambda found: found["scheme"] + found["place"], line)


def credentials_of(lines: Iterable[str]) -> list[str]:
    """Return names with passwords, as they are in the addresses."""
    return [found["given"] for line in lines for found in ADDRESS.finditer(line)]


def authentication(lines: Iterable[str]) -> str:
    """Return the entries of apt_auth.conf(5) for lines of sources.list, "" for none.

    Raises ImageError for what cannot be written there, without saying it.
    """
    return "".join(sorted({_entry(found) for line in lines for found in ADDRESS.finditer(line)}))


def _entry(found: re.Match[str]) -> str:
    name, _, password = (unquote(part) for part in found["given"].partition(":"))
    if not name or not password or re.search(r"\s", name + password):
        raise ImageError(
            INVALID_SETTINGS,
            f"The mirror {found['scheme']}{found['place']} is given with a name or a password that "
            "is empty or has blanks, which apt cannot use. Give both, or neither.",
        )
    return f"machine {found['scheme']}{found['place']} login {name} password {password}\n"
