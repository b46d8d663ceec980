"""Where packages of a suite come from, as lines of apt's sources.list."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from typing import NoReturn

from flotta.images.build.suites import Suite
from flotta.images.errors import ImageError
from flotta.protocol.reasons.images import INVALID_SETTINGS

QUESTION = "$(REPO_URI) $(RELEASE) $(COMPONENT)"  # of apt-get indextargets
DEBIAN = re.compile(r"(oldoldstable|oldstable|stable|bullseye|bookworm|trixie|forky)(-security)?")


def package_sources(suite: Suite, mirrors: Sequence[str], components: Sequence[str]) -> list[str]:
    """Return the lines for a suite, its updates and its security updates.

    `mirrors` are lines of sources.list, taken as they are, or addresses: of an archive of Debian,
    and, if it ends in `-security`, of its security updates. What they do not name is where the
    build host itself has it from. Raises ImageError if it has no such place.
    """
    lines = [mirror for mirror in mirrors if mirror.startswith("deb ")]
    if lines:
        return lines
    addresses = [mirror.rstrip("/") for mirror in mirrors]
    security = [mirror for mirror in addresses if mirror.endswith("-security")]
    archive = [mirror for mirror in addresses if mirror not in security]
    own_archive, own_security = (None, None) if archive and security else _own_sources()
    archives = archive or [own_archive or _missing("archive of Debian")]
    securities = security or [own_security or _missing("archive of Debian's security updates")]
    wanted = " ".join(components)
    return [
        *(f"deb {uri} {suite.name} {wanted}" for uri in archives),
        *(f"deb {uri} {suite.name}-updates {wanted}" for uri in archives),
        *(f"deb {uri} {suite.name}-security {wanted}" for uri in securities),
    ]


def _missing(archive: str) -> NoReturn:
    raise ImageError(
        INVALID_SETTINGS,
        f"The apt of this machine has no {archive}. Name one as mirror; the "
        "address of one for security updates ends in -security",
    )


def _own_sources() -> tuple[str | None, str | None]:
    """Return the archive of Debian and that of its security updates which this machine uses."""
    # With release info it would say nothing as long as no lists are downloaded.
    asked = ["apt-get", "indextargets", "--no-release-info", "--format", QUESTION]
    try:
        said = subprocess.run(
            [*asked, "Created-By: Packages"], capture_output=True, text=True, check=False
        ).stdout
    except OSError:
        return None, None
    found: dict[bool, str] = {}
    for line in said.splitlines():
        uri, release, component = (*line.split(), "", "", "")[:3]  # a flat archive has two
        known = DEBIAN.fullmatch(release)
        if known and component == "main":
            found.setdefault(bool(known[2]), uri.rstrip("/"))
    return found.get(False), found.get(True)
