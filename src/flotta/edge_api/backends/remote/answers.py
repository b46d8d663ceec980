"""Answers of the store as our own types; what says nothing raises StoreAnswerInvalid.

An answer that cannot be read, is empty or is about another device says nothing: it never becomes
an empty configuration or the wish that a device goes.
"""

from __future__ import annotations

import hashlib
import re
from typing import TypeVar

import msgspec

from flotta.dns1123 import is_label
from flotta.edge_api.backends.backend import Configuration
from flotta.edge_api.backends.remote.client import DeviceName
from flotta.edge_api.backends.remote.problems import StoreAnswerInvalid
from flotta.printable_text import printable
from flotta.protocol.configuration_api import (
    Changes,
    ConfigurationResponse,
    RegistrationStatus,
    Status,
)
from flotta.protocol.envelope import NULL, encode
from flotta.protocol.json_text import decode_json
from flotta.protocol.models import DeviceConfigurationMessage, InputsVersion

T = TypeVar("T")
MAX_CAUSE = 300  # characters of a reason that quotes the answer
UID = re.compile(r"[!-~]{0,128}")  # what the URI of a certificate can hold
MAX_FINGERPRINT = 128  # characters; those of a hex SHA-256 are 64
MAX_INPUTS = 512  # bytes of how new a configuration is
UNKNOWN = RegistrationStatus(status=Status.UNKNOWN.value)


def read_status(name: DeviceName, body: bytes) -> RegistrationStatus:
    """Return what the store says about a device."""
    status = _decode(body, RegistrationStatus, f"about {name.namespace}/{name.device_id}")
    if status.status not in {known.value for known in Status}:
        raise StoreAnswerInvalid(
            f"The data store says that {name.namespace}/{name.device_id} is "
            f"{printable(status.status, MAX_CAUSE)!r}; it must say registered, unregistered or "
            "unknown"
        )
    if status.namespace and not is_label(status.namespace):
        raise StoreAnswerInvalid(
            f"The data store has {name.device_id} in a namespace that is none: "
            f"{printable(status.namespace, MAX_CAUSE)!r}; it must be a DNS label"
        )
    if UID.fullmatch(status.uid) is None:
        raise StoreAnswerInvalid(
            f"The data store gives {name.device_id} a uid that is none; use a UUID"
        )
    if len(status.public_key_fingerprint) > MAX_FINGERPRINT:
        raise StoreAnswerInvalid(
            f"The data store gives {name.device_id} a public_key_fingerprint that is none; use the "
            "hex SHA-256 that it was given"
        )
    return msgspec.structs.replace(status, message="")  # for people; it may be long, or change


def read_configuration(name: DeviceName, body: bytes) -> Configuration:
    """Return the configuration of a device; its version is a hash of the content.

    What the store calls the version stays in the content, and devices report it; how new the inputs
    are does not count for the hash.
    """
    whose = f"{name.namespace}/{name.device_id}"
    raw = _decode(body, ConfigurationResponse, f"with the configuration of {whose}")
    if raw.device_configuration == NULL:
        raise StoreAnswerInvalid(
            f"The data store gave no configuration of {whose}: `device-configuration` is missing"
        )
    what = f"with the configuration of {whose}"
    message = _decode(raw.device_configuration, DeviceConfigurationMessage, what)
    _require_complete(name, message)
    fields = _decode(raw.device_configuration, dict[str, msgspec.Raw], what)
    fields.pop("inputs_version", None)
    fields["device_id"] = msgspec.Raw(encode(name.device_id))
    version = hashlib.sha256(encode(fields)).hexdigest()
    if not message.version:
        fields["version"] = msgspec.Raw(encode(version))
    return Configuration(version, encode(fields), _short(message.inputs_version))


def _short(inputs: InputsVersion | None) -> InputsVersion | None:
    """Return what tells how new a configuration is, None for what cannot be that."""
    return inputs if inputs is not None and len(encode(inputs)) <= MAX_INPUTS else None


def _require_complete(name: DeviceName, message: DeviceConfigurationMessage) -> None:
    """Refuse what devices could not use either, or would take for another's."""
    whose = f"{name.namespace}/{name.device_id}"
    if message.configuration is None:
        raise StoreAnswerInvalid(
            f"The configuration of {whose} in the data store has no section `configuration`; "
            "devices need one, which may be empty"
        )
    if message.device_id.lower() not in ("", name.device_id):
        raise StoreAnswerInvalid(
            f"The data store gave the configuration of {printable(message.device_id, MAX_CAUSE)} "
            f"for {whose}"
        )


def read_changes(body: bytes) -> Changes:
    """Return what changed."""
    return _decode(body, Changes, "with the changes")


def read_name(text: str) -> DeviceName | None:
    """Return the device that `namespace/id` names, None for something else."""
    namespace, slash, device_id = text.partition("/")
    return DeviceName(namespace, device_id) if slash and namespace and device_id else None


def _decode(body: bytes | msgspec.Raw, type_: type[T], what: str) -> T:
    try:
        return decode_json(body, type_)
    except msgspec.MsgspecError as error:
        text = printable(str(error), MAX_CAUSE)
        raise StoreAnswerInvalid(
            f"The answer of the data store {what} is not as the API describes it: {text}"
        ) from error
