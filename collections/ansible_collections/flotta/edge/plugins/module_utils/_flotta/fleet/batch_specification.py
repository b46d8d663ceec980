# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/fleet/batch_specification.py: change that.
"""The specification of a registration batch: JSON to `Specification`, or what is wrong with it.

Whoever may write Secrets of the control plane writes it, so it is bounded and unknown fields are
errors. The fields are in docs/reference/control-plane.md#registration-batches.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import cast

from ..dns1123 import is_label, is_subdomain
from ..fleet.registration_batches import (
    HARDWARE_LABEL_PREFIX,
    HARDWARE_PATHS,
    MAX_DEVICE_ID,
    MAX_IDS,
    MAX_LABELS,
    MAX_NAMESPACES,
    MAX_NETWORKS,
    MAX_PATTERNS,
    MAX_SPECIFICATION,
    MAX_USES,
    RESERVED_LABEL_PREFIX,
    RESERVED_LABELS,
    ApprovalRule,
    DeviceIDs,
    Revocation,
    Specification,
    SpecificationFields,
    is_device_id,
    is_pattern,
)
from ..printable_text import printable
from ..rfc3339 import parse_required_time

MAX_TEXT = 1024  # characters of a text that people write, and of a value to compare with
MAX_HARDWARE_VALUE = 256  # characters, as in `status.hardware`
MAX_NAME = 63  # characters of a label's name and value
ID_PATTERN = re.compile(r"[a-z0-9.*?-]+")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
MODES = ("Manual", "Automatic")


class SpecificationError(ValueError):
    """The specification is invalid: `path` is the field, "" for the whole, `problem` the rest."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path} {problem}" if path else f"the specification {problem}")
        self.path = path
        self.problem = problem


def parse_specification(text: str | bytes) -> Specification:
    """Return the specification of a JSON text; raises SpecificationError."""
    data = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    if len(data) > MAX_SPECIFICATION:
        raise SpecificationError("", f"is longer than {MAX_SPECIFICATION // 1024} KiB")
    try:
        document: object = json.loads(
            data.decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant
        )
    except SpecificationError:
        raise
    except (ValueError, RecursionError) as error:
        raise SpecificationError("", "is not JSON, or nested too deeply") from error
    return check_specification(document)


def check_specification(document: object) -> Specification:
    """Return the specification of parsed JSON; raises SpecificationError."""
    fields = _object(document, "", READERS)
    specification = Specification(
        **{ATTRIBUTES.get(name, name): value for name, value in fields.items()}  # type: ignore[arg-type]
    )
    _check_automatic(specification)
    return specification


def dump_specification(fields: SpecificationFields) -> str:
    """Return the JSON text of a specification after checking it; raises SpecificationError."""
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    parse_specification(text)
    return text


def _check_automatic(specification: Specification) -> None:
    """Refuse an automatic approval that would admit anybody without end, and rules without one."""
    rule, ids = specification.approval, specification.device_ids
    if not rule.automatic:
        if rule != ApprovalRule():
            raise SpecificationError(
                "approval", "has rules that do nothing with mode Manual; remove them"
            )
        return
    if specification.uses is None and (ids is None or ids.patterns):
        raise SpecificationError(
            "approval.mode",
            "must not be Automatic without `uses` or a list of `deviceIDs` without patterns: it "
            "would admit any number of devices",
        )


Reader = Callable[[object, str], object]


def _object(value: object, path: str, readers: Mapping[str, Reader]) -> dict[str, object]:
    """Return the read fields of a JSON object that has no others."""
    read = {}
    for name, item in _mapping(value, path).items():
        below = f"{path}.{name}" if path else name
        if name not in readers:
            raise SpecificationError(
                printable(below, MAX_NAME), f"is not a field; there are {', '.join(readers)}"
            )
        read[name] = readers[name](item, below)
    return read


def _mapping(value: object, path: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise SpecificationError(path, "is not an object")
    return cast("dict[str, object]", value)


def _text(value: object, path: str, limit: int = MAX_TEXT) -> str:
    if not isinstance(value, str) or len(value) > limit or printable(value, limit) != value:
        raise SpecificationError(path, f"is not a printable text of at most {limit} characters")
    return value


def _texts(value: object, path: str, limit: int) -> list[str]:
    """Return the texts of a list that is neither empty nor too long."""
    if not isinstance(value, list) or not 0 < len(value) <= limit:
        raise SpecificationError(path, f"is not a list of 1 to {limit} texts")
    return [_text(item, f"{path}[{index}]") for index, item in enumerate(value)]


def _time(value: object, path: str) -> datetime:
    try:
        return parse_required_time(_text(value, path))
    except (ValueError, OverflowError) as error:
        if isinstance(error, SpecificationError):
            raise
        raise SpecificationError(path, "is not a date-time (RFC 3339)") from error


def _flag(value: object, path: str) -> bool:
    if not isinstance(value, bool):
        raise SpecificationError(path, "is neither true nor false")
    return value


def _uses(value: object, path: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_USES:
        raise SpecificationError(path, f"is not a whole number from 1 to {MAX_USES}")
    return value


def _namespaces(value: object, path: str) -> tuple[str, ...]:
    names = _texts(value, path, MAX_NAMESPACES)
    _require_all(names, path, is_label, "is not the name of a namespace")
    return tuple(dict.fromkeys(names))


def _device_ids(value: object, path: str) -> DeviceIDs:
    items = _texts(value, path, MAX_IDS)
    _require_all(items, path, _is_id_or_pattern, "is neither a device id nor a pattern of ids")
    patterns = tuple(dict.fromkeys(filter(is_pattern, items)))
    if len(patterns) > MAX_PATTERNS:
        raise SpecificationError(path, f"has more than {MAX_PATTERNS} patterns")
    return DeviceIDs(frozenset(items) - set(patterns), patterns)


def _is_id_or_pattern(text: str) -> bool:
    if not is_pattern(text):
        return is_device_id(text)
    return len(text) <= MAX_DEVICE_ID and ID_PATTERN.fullmatch(text) is not None


def _target_set(value: object, path: str) -> str:
    name = _text(value, path)
    if len(name) > MAX_NAME or not is_subdomain(name):
        raise SpecificationError(path, "is not the name of an EdgeDeviceSet")
    return name


def _labels(value: object, path: str) -> dict[str, str]:
    given = _mapping(value, path)
    if len(given) > MAX_LABELS:
        raise SpecificationError(path, f"has more than {MAX_LABELS} labels")
    labels = {}
    for key, item in given.items():
        below = f"{path}[{printable(key, MAX_NAME)!r}]"
        _require_free_key(key, below)
        labels[key] = _text(item, below, MAX_NAME)
        if not is_label_value(labels[key]):
            raise SpecificationError(below, "is not the value of a label")
    return labels


def _device_labels(value: object, path: str) -> tuple[str, ...]:
    keys = _texts(value, path, MAX_LABELS)
    for index, key in enumerate(keys):
        below = f"{path}[{index}]"
        _require_free_key(key, below)
        if key.startswith(HARDWARE_LABEL_PREFIX):
            raise SpecificationError(below, "is a label that follows from the device's hardware")
    return tuple(dict.fromkeys(keys))


def is_label_value(text: str) -> bool:
    """Tell whether Kubernetes allows the value of a label."""
    return len(text) <= MAX_NAME and LABEL_VALUE.fullmatch(text) is not None


def _require_free_key(key: str, path: str) -> None:
    """Raise SpecificationError for what is not the key of a label that a batch may give."""
    if not _is_label_key(key):
        raise SpecificationError(path, "is not the key of a label")
    if key in RESERVED_LABELS or key.startswith(RESERVED_LABEL_PREFIX):
        raise SpecificationError(path, "is a label that only the control plane gives")


def _is_label_key(key: str) -> bool:
    """Tell whether Kubernetes allows the key ("Labels and Selectors", syntax)."""
    prefix, slash, name = key.rpartition("/")
    right_prefix = is_subdomain(prefix) if slash else True
    return right_prefix and 0 < len(name) <= MAX_NAME and LABEL_VALUE.fullmatch(name) is not None


def _approval(value: object, path: str) -> ApprovalRule:
    fields = _object(value, path, RULE_READERS)
    automatic = fields.pop("mode", False)
    rule = ApprovalRule(automatic=cast("bool", automatic))
    named = {ATTRIBUTES[name]: item for name, item in fields.items()}
    return replace(rule, **named)  # type: ignore[arg-type]


def _mode(value: object, path: str) -> bool:
    if value not in MODES:
        raise SpecificationError(path, f"is neither {' nor '.join(MODES)}")
    return value == "Automatic"


def _serial_numbers(value: object, path: str) -> frozenset[str]:
    return frozenset(_texts(value, path, MAX_IDS))


def _hardware(value: object, path: str) -> dict[str, str]:
    given = _mapping(value, path)
    if not given:
        raise SpecificationError(path, "is empty")
    for name in given:
        if name not in HARDWARE_PATHS:
            raise SpecificationError(
                f"{path}[{printable(name, MAX_NAME)!r}]",
                f"is not a field of hardware to compare; there are {', '.join(HARDWARE_PATHS)}",
            )
    return {
        name: _text(item, f"{path}[{name!r}]", MAX_HARDWARE_VALUE) for name, item in given.items()
    }


def _networks(value: object, path: str) -> tuple[IPv4Network | IPv6Network, ...]:
    networks = []
    for index, text in enumerate(_texts(value, path, MAX_NETWORKS)):
        try:
            networks.append(ip_network(text))
        except ValueError as error:
            raise SpecificationError(
                f"{path}[{index}]", "is not a network in CIDR form, such as 192.0.2.0/24"
            ) from error
    return tuple(networks)


def _revoked(value: object, path: str) -> Revocation:
    fields = _object(value, path, {"at": _time, "by": _text, "reason": _text})
    if "at" not in fields:
        raise SpecificationError(f"{path}.at", "is missing")
    return Revocation(**fields)  # type: ignore[arg-type]


def _require_all(items: Iterable[str], path: str, right: Callable[[str], bool], text: str) -> None:
    for index, item in enumerate(items):
        if not right(item):
            raise SpecificationError(f"{path}[{index}]", text)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise SpecificationError("", "has a field twice")
    return members


def _refuse_constant(text: str) -> object:
    raise SpecificationError("", f"has {text}, which is not JSON")


# The attributes of `Specification` and `ApprovalRule` with other names than their fields.
ATTRIBUTES = {
    "deviceIDs": "device_ids",
    "targetSet": "target_set",
    "deviceLabels": "device_labels",
    "allowWithoutFingerprint": "allow_without_fingerprint",
    "allowKeyReplacement": "allow_key_replacement",
    "serialNumbers": "serial_numbers",
    "hardware": "hardware",
    "sourceNetworks": "source_networks",
}
RULE_READERS: dict[str, Reader] = {
    "mode": _mode,
    "serialNumbers": _serial_numbers,
    "hardware": _hardware,
    "sourceNetworks": _networks,
}
READERS: dict[str, Reader] = {
    "expires": _time,
    "uses": _uses,
    "namespaces": _namespaces,
    "deviceIDs": _device_ids,
    "targetSet": _target_set,
    "labels": _labels,
    "deviceLabels": _device_labels,
    "approval": _approval,
    "allowWithoutFingerprint": _flag,
    "allowKeyReplacement": _flag,
    "revoked": _revoked,
}
