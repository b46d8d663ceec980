"""The settings of a medium: what a user wrote to a `Personalisation`, or the field that is wrong.

The settings are in docs/reference/images.md#settings. The module and the program read the same
mapping.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from flotta.dns1123 import is_label
from flotta.fleet.batch_specification import LABEL_VALUE
from flotta.fleet.registration_batches import (
    MAX_BATCH_NAME,
    MAX_LABELS,
    RESERVED_LABEL_PREFIX,
    RESERVED_LABELS,
    is_batch_name,
)
from flotta.identity.peers import is_device_id
from flotta.identity.subjects import REGISTRATION_NAME
from flotta.images.settings.credential import (
    CheckedCredential,
    check_credential,
    load_authorities,
    to_pem,
)
from flotta.images.settings.fields import (
    Fields,
    Reader,
    invalid,
    items,
    long_text,
    mapping,
    matching,
    number,
    read_content,
    text,
)
from flotta.images.settings.installer import InstallerSettings, read_installer
from flotta.images.settings.networks import (
    is_address,
    read_networks,
    read_wireless_networks,
    server,
)
from flotta.payload.personalisation import Personalisation
from flotta.settings.device import PATH_PREFIX

DAY = 24 * 3600  # seconds
MIN_VALIDITY = 3 * DAY  # seconds that a certificate has to be valid for
MAX_VALIDITY = 3650 * DAY  # seconds
MAX_EPOCH = 2**32 - 1  # seconds since 1970, as an archive can hold them
MAX_KEYS = 64  # SSH keys
MAX_NAME = 63  # characters of a label's name and value
PRIVATE_KEY = b"PRIVATE KEY-----"  # of PEM, whatever the kind of key
# sshd(8), "AUTHORIZED_KEYS FILE FORMAT"; the key begins with the length of its type's name.
KEY_TYPE = re.compile(r"ssh-(rsa|ed25519|dss)|ecdsa-sha2-\S+|sk-(ssh|ecdsa)-\S+")
KEY = re.compile(r"AAAA[A-Za-z0-9+/]*={0,2}")
MAX_PREFIX = 253  # characters
STATE_DISKS = ("/dev/", "serial=")


@dataclass(frozen=True)
class Settings:
    """What goes on one medium.

    `epoch` is the Unix time of its files; by default that since which the certificate is valid.
    """

    personalisation: Personalisation
    credential: CheckedCredential
    epoch: int
    installer: InstallerSettings | None = None


def parse_settings(given: Mapping[str, object], path: str = "") -> Settings:
    """Return the checked settings; `path` is before that of each field.

    Raises ImageError with the path of the first wrong field.
    """
    fields = Fields(given, path)
    credential = check_credential(
        certificate=_public(fields, "certificate", _required(fields, "certificate")),
        key=_required(fields, "key"),
        authorities=_public(fields, "ca", _required(fields, "ca")),
        min_validity=timedelta(
            seconds=fields.take("min_validity", number(0, MAX_VALIDITY), MIN_VALIDITY)
        ),
    )
    wanted = _read_personalisation(fields, credential)
    epoch = fields.take("epoch", number(0, MAX_EPOCH), credential.not_before)
    installer = fields.take("installer", read_installer, None)
    fields.finish()
    return Settings(wanted, credential, epoch, installer)


def _required(fields: Fields, name: str) -> bytes:
    content = read_content(fields, name)
    if not content:
        raise invalid(fields.path(name), f"is missing; give it, or {name}_file")
    return content


def _public(fields: Fields, name: str, pem: bytes) -> bytes:
    """Return the PEM of certificates, which everybody on a device may read."""
    if PRIVATE_KEY in pem:
        raise invalid(
            fields.path(name),
            "has a private key too, which everybody with the medium could read; give the "
            "certificates alone",
        )
    return pem


def _read_personalisation(fields: Fields, credential: CheckedCredential) -> Personalisation:
    return Personalisation(
        server=fields.require("server", server),
        credential=credential.credential,
        not_before=credential.not_before,
        address=fields.take("address", matching(is_address, "an IP address"), ""),
        path_prefix=fields.take("path_prefix", _path_prefix, PATH_PREFIX.default),
        namespace=fields.take("namespace", _namespace(credential), credential.peer.namespace),
        batch=fields.take("batch", matching(is_batch_name, BATCH_NAME), ""),
        device_id=fields.take("device_id", matching(_is_free_id, "a device id"), ""),
        labels=fields.take("labels", mapping(_label_key, LABEL, MAX_LABELS), {}),
        tags=fields.take("tags", mapping(_tag_key, text, MAX_LABELS), {}),
        networks=fields.take("network", read_networks, ()),
        wireless=fields.take("wifi", read_wireless_networks, ()),
        ssh_keys=fields.take("ssh_authorized_keys", items(SSH_KEY, MAX_KEYS), ()),
        state_disk=fields.take("state_disk", matching(_is_state_disk, DISK), ""),
        extra_authorities=_extra_authorities(fields),
    )


def _namespace(credential: CheckedCredential) -> Reader[str]:
    names = credential.peer.namespaces
    wanted = f"a namespace of the certificate ({', '.join(names)})"
    return matching(lambda name: is_label(name) and name in names, wanted)


def _path_prefix(value: object, path: str) -> str:
    plain = text(value, path).strip("/")
    if len(plain) > MAX_PREFIX or not plain.isascii() or " " in plain:
        raise invalid(path, "is not the path of a URL")
    return plain


def _is_free_id(name: str) -> bool:
    return is_device_id(name) and name != REGISTRATION_NAME


def _label_key(value: object, path: str) -> str:
    key = text(value, path)
    prefix, slash, name = key.rpartition("/")
    named = 0 < len(name) <= MAX_NAME and LABEL_VALUE.fullmatch(name) is not None
    if not named or (slash and not is_device_id(prefix)):
        raise invalid(path, f"is {key!r}, and not the key of a label")
    if key in RESERVED_LABELS or key.startswith(RESERVED_LABEL_PREFIX):
        raise invalid(path, f"is {key!r}, a label that only the control plane gives")
    return key


def _is_label_value(value: str) -> bool:
    return len(value) <= MAX_NAME and LABEL_VALUE.fullmatch(value) is not None


def _tag_key(value: object, path: str) -> str:
    key = text(value, path)
    if not _is_label_value(key) or key == "namespace":
        raise invalid(path, f"is {key!r}; use letters, digits, - and _, and not namespace")
    return key


def _is_ssh_key(line: str) -> bool:
    pairs = pairwise(line.split())
    return any(KEY_TYPE.fullmatch(kind) and KEY.fullmatch(key) for kind, key in pairs)


def _is_state_disk(name: str) -> bool:
    named = name.startswith(STATE_DISKS) and name not in STATE_DISKS
    return named and " " not in name and ".." not in name


def _extra_authorities(fields: Fields) -> bytes:
    given = _public(fields, "extra_ca", read_content(fields, "extra_ca"))
    return to_pem(load_authorities(given, fields.path("extra_ca"))) if given else b""


LABEL = matching(_is_label_value, "the value of a label")
SSH_KEY = matching(
    _is_ssh_key, "a line of authorized_keys, such as ssh-ed25519 AAAA…", read_text=long_text
)
DISK = "a path below /dev, or serial= with the serial number of a disk"
BATCH_NAME = (
    f"the name of a registration batch: at most {MAX_BATCH_NAME} lower-case letters, digits and -"
)
