"""Where packages of a suite come from, as lines of apt's sources.list."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

from flotta.images.build.suites import Suite

ARCHIVE = "http://mirror.example/debian"
SECURITY = "http://mirror.example/debian-security"
QUESTION = "$(REPO_URI) $(RELEASE) $(COMPONENT)"  # of apt-get indextargets
DEBIAN = re.compile(r"(oldoldstable|oldstable|stable|bullseye|bookworm|trixie|forky)(-security)?")


def package_sources(suite: Suite, mirrors: Sequence[str], components: Sequence[str]) -> list[str]:
    """Return the lines for a suite, its updates and its security updates.

    `mirrors` are lines of sources.list, taken as they are, or addresses: of an archive of Debian,
    and, if it ends in `-security`, of its security updates. What they do not name is where the
    build host itself has it from, else at mirror.example.
    """
    lines = [mirror for mirror in mirrors if mirror.startswith("deb ")]
    if lines:
        return lines
    addresses = [mirror.rstrip("/") for mirror in mirrors]
    security = [mirror for mirror in addresses if mirror.endswith("-security")]
    archive = [mirror for mirror in addresses if mirror not in security]
    own_archive, own_security = (None, None) if archive and security else _own_sources()
    archives = archive or [own_archive or ARCHIVE]
    securities = security or [own_security or SECURITY]
    wanted = " ".join(components)
    return [
        *(f"deb {uri} {suite.name} {wanted}" for uri in archives),
        *(f"deb {uri} {suite.name}-updates {wanted}" for uri in archives),
        *(f"deb {uri} {suite.name}-security {wanted}" for uri in securities),
    ]


def image_sources(suite: Suite, components: Sequence[str]) -> list[str]:
    """Return the lines for the image, which does not tell where it was built."""
    return package_sources(suite, (ARCHIVE, SECURITY), components)


def _own_sources() -> tuple[str | None, str | None]:
    """Return the archive of Debian and that of its security updates which this machine uses."""
    asked = ["apt-get", "indextargets", "--format", QUESTION, "Created-By: Packages"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    except OSError:
        return None, None
    found: dict[bool, str] = {}
    for line in said.splitlines():
        uri, release, component = (*line.split(), "", "", "")[:3]  # a flat archive has two
        known = DEBIAN.fullmatch(release)
        if known and component == "main":
            found.setdefault(bool(known[2]), uri.rstrip("/"))
    return found.get(False), found.get(True)
