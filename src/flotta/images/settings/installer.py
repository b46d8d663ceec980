"""What Debian's installer is told: `installer` in the settings.

It partitions a disk only when a setting names it (docs/reference/images.md#debians-installer).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from flotta.dns1123 import is_label, is_subdomain
from flotta.images.settings.fields import (
    Fields,
    Reader,
    boolean,
    invalid,
    items,
    matching,
    read_content,
)

MAX_PACKAGES = 256
MAX_EXTRA = 32 * 1024  # bytes
LOCALE = re.compile(r"[a-z]{2,3}_[A-Z]{2}(\.[A-Za-z0-9-]+)?|C\.UTF-8")
KEYMAP = re.compile(r"[a-z]{2,10}(\([a-z0-9_]+\))?")
ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}")
PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
CRYPTED = re.compile(r"\$[0-9a-z]+\$[A-Za-z0-9./$=,-]{8,256}")  # crypt(5)
# The last answer to a question counts, so one of these would take ours away.
TAKEN = re.compile(
    rb"^\s*\S+\s+(preseed/late_command|partman/early_command|pkgsel/include)\s", re.MULTILINE
)
DISK = re.compile(r"/dev/[A-Za-z0-9/._:+-]+")
# Without a backslash, which would continue a line of the preseed.
URL = re.compile(r"https?://[!-\[\]-~]+")
MIRROR_PATH = re.compile(r"/[!-\[\]-~]*")


@dataclass(frozen=True)
class InstallerSettings:
    """Answers to the questions of the installer; an empty one is asked at the screen.

    `disk` is partitioned as a whole, without a question, when it is given. `mirror` is a host,
    `password` a hash of crypt(5) for root; without one, root can log in by SSH key only.
    """

    disk: str = ""
    locale: str = "en_US.UTF-8"
    keymap: str = "us"
    timezone: str = "Etc/UTC"
    hostname: str = ""
    mirror: str = ""
    mirror_directory: str = "/debian"
    proxy: str = ""
    password: str = field(default="", repr=False)
    packages: Sequence[str] = ()
    power_off: bool = False
    extra: bytes = b""


def read_installer(value: object, path: str) -> InstallerSettings:
    """Read the settings. Raises ImageError with the path of the wrong field."""
    fields = Fields(value, path)
    usual = InstallerSettings()
    found = InstallerSettings(
        disk=fields.take("disk", matching(_is_disk, "a path below /dev"), ""),
        locale=fields.take("locale", _by(LOCALE, "a locale such as de_DE.UTF-8"), usual.locale),
        keymap=fields.take("keymap", _by(KEYMAP, "a keyboard layout such as de"), usual.keymap),
        timezone=fields.take("timezone", _by(ZONE, "a time zone such as Etc/UTC"), usual.timezone),
        hostname=fields.take("hostname", matching(is_label, "a host name"), ""),
        mirror=fields.take("mirror", matching(_is_host, "a host name"), usual.mirror),
        mirror_directory=fields.take(
            "mirror_directory", _by(MIRROR_PATH, "a path"), usual.mirror_directory
        ),
        proxy=fields.take("proxy", _by(URL, "a URL of a proxy", secret=True), ""),
        password=fields.take("password_hash", _hash, ""),
        packages=fields.take("packages", items(_by(PACKAGE, "a package"), MAX_PACKAGES), ()),
        power_off=fields.take("power_off", boolean, False),
        extra=_extra(fields),
    )
    fields.finish()
    return found


def _by(pattern: re.Pattern[str], wanted: str, *, secret: bool = False) -> Reader[str]:
    return matching(lambda value: pattern.fullmatch(value) is not None, wanted, secret=secret)


def _is_disk(value: str) -> bool:
    return DISK.fullmatch(value) is not None and ".." not in value.split("/")


def _extra(fields: Fields) -> bytes:
    """Read lines of a preseed; none may answer what the installation of the programs hangs on."""
    lines = read_content(fields, "extra", MAX_EXTRA)
    if taken := TAKEN.search(lines.replace(b"\\\n", b" ")):
        raise invalid(
            fields.path("extra"),
            f"answers {taken[1].decode()}, which brings the programs of the device into the "
            "system; name packages in installer.packages, and set up the rest with Ansible",
        )
    return lines


def _is_host(value: str) -> bool:
    host, colon, port = value.partition(":")
    return is_subdomain(host) and (not colon or port.isdigit())


def _hash(value: object, path: str) -> str:
    if not isinstance(value, str) or not CRYPTED.fullmatch(value):
        raise invalid(path, "is not a hash of crypt(5), as `openssl passwd -6` makes it")
    return value
