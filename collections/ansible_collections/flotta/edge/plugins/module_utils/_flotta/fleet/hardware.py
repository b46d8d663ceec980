# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# Copied by scripts/generate_module_utils.py from src/flotta/fleet/hardware.py: change that.
"""Hardware reports of devices: from the wire to the custom resource, and to labels.

Devices report everything once and afterwards only what changed, so a report is merged into what
is known (docs/reference/control-plane.md#hardware-reports); v0.2 replaced it and lost CPU, vendor
and disks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from typing import cast

try:
    import msgspec
except ImportError:  # the plugin that needs it says so
    msgspec = None

from ..protocol.hardware import HardwareInfo
from ..resources.bounds import fit_report, schema_at
from ..resources.kinds import EDGE_DEVICE
from ..resources.objects.devices import Hardware
from ..resources.objects.meta import Manifest

# Names on the wire.
LISTS = ("disks", "gpus", "interfaces", "host_devices", "mounts")
REQUIRED_LISTS = ("disks", "gpus", "interfaces")  # by the schema of the CRD
SECTIONS = ("boot", "cpu", "memory", "system_vendor")
# Fields with another name in the custom resource; all others are converted to camel case.
RENAMED = {
    "host_devices": {"uid": "owner", "gid": "group"},
    "mounts": {"directory": "folder"},
}
# uid_t, gid_t and device numbers are unsigned and can be larger than the schema allows.
INT32_FIELDS = ("owner", "group", "major", "minor")
INT32_MAXIMUM = 2**31 - 1  # the largest number of the CRD's format int32
INT64_MAXIMUM = 2**63 - 1  # the largest number of the CRD's format int64
FREQUENCY_LIMIT = 1e9  # MHz; from here on a frequency is nonsense
LABEL_SOURCES = {
    "device.hostname": ("hostname",),
    "device.cpu-architecture": ("cpu", "architecture"),
    "device.cpu-model": ("cpu", "modelName"),
    "device.system-manufacturer": ("systemVendor", "manufacturer"),
    "device.system-product": ("systemVendor", "productName"),
    "device.system-serial": ("systemVendor", "serialNumber"),
}
# What a machine is called until it has its name, for instance by DHCP; workloads may be selected by
# the former one, and a device that loses a workload removes its files.
PLACEHOLDER_HOSTNAMES = ("localhost", "localhost.localdomain", "(none)")
LABEL_LIMIT = 63  # characters of a Kubernetes label value
SIZE_LIMIT = 128 * 1024  # bytes of `status.hardware` as JSON; a large server has 40 KiB


def merge_report(known: Hardware | None, report: HardwareInfo) -> Hardware:
    """Return `status.hardware` after a report; what the report does not mention is kept.

    Texts are printable, and everything has the lengths, counts and size of
    docs/reference/control-plane.md#limits.
    """
    result: dict[str, object] = dict(known or {})
    reported = dict(convert_report(report))
    if _text_at(known, ("hostname",)) and report.hostname in PLACEHOLDER_HOSTNAMES:
        del reported["hostname"]
    for name, value in reported.items():
        before = result.get(name)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            result[name] = {**before, **value}
        else:
            result[name] = value
    for name in REQUIRED_LISTS:
        result.setdefault(name, [])
    if isinstance(cpu := result.get("cpu"), Mapping):
        result["cpu"] = {"flags": [], **cpu}
    # Its names are those of the custom resource: `convert_report` made them.
    fitted = fit_report(cast("Hardware", result), EDGE_DEVICE, "status", "hardware")
    return fit_size(fitted, SIZE_LIMIT)


def fit_size(hardware: Hardware, limit: int) -> Hardware:
    """Return the hardware with its longest lists halved until its JSON has at most `limit` bytes.

    Each list has its limit, but all at their limits would fill an object of the API.
    """
    lists = {name: parts for name in map(_camel, LISTS) if (parts := _list_at(hardware, name))}
    while len(msgspec.json.encode({**hardware, **lists})) > limit and any(lists.values()):
        longest = max(lists, key=lambda name: len(msgspec.json.encode(lists[name])))
        lists[longest] = lists[longest][: len(lists[longest]) // 2]
    return cast("Hardware", {**hardware, **lists})


def _list_at(hardware: Mapping[str, object], name: str) -> list[Manifest]:
    return cast("list[Manifest]", hardware.get(name) or [])


def convert_report(report: HardwareInfo) -> Manifest:
    """Return the parts that a report mentions, with their names in the custom resource.

    On the wire null, an empty list and an absent list mean the same: not reported.
    """
    wire: Mapping[str, object] = msgspec.to_builtins(report)
    result: dict[str, object] = {"hostname": report.hostname} if report.hostname else {}
    for name in SECTIONS:
        part = wire.get(name)
        if part and isinstance(part, Mapping):
            result[_camel(name)] = _convert_part(name, part)
    for name in LISTS:
        parts = wire.get(name)
        if isinstance(parts, list):
            most = schema_at(EDGE_DEVICE, "status", "hardware", _camel(name)).get("maxItems")
            kept = islice((item for item in parts if item is not None), cast("int", most))
            items = [_convert_part(name, item) for item in kept]
            if items:
                result[_camel(name)] = items
    return result


def hardware_labels(hardware: Hardware | None) -> dict[str, str]:
    """Return the labels made from `status.hardware`.

    Names and values: docs/reference/control-plane.md#hardware-labels.
    """
    found = {key: label_value(_text_at(hardware, path)) for key, path in LABEL_SOURCES.items()}
    return {key: value for key, value in found.items() if value}


def reported_labels(report: HardwareInfo) -> dict[str, str]:
    """Return the labels made from one report alone, whatever is known from earlier ones."""
    return hardware_labels(merge_report(None, report))


def label_value(text: str) -> str:
    """Return a text as a label value, "" if nothing is left.

    The value has lower-case and legal characters only, at most 63.
    """
    legal = re.sub(r"[^a-z0-9\-_.]", "", _between_letters(text.lower()))
    return legal.strip("-_.")[:LABEL_LIMIT].rstrip("-_.")


def _between_letters(text: str) -> str:
    positions = [index for index, letter in enumerate(text) if letter.isalnum()]
    return text[positions[0] : positions[-1] + 1] if positions else ""


def _convert_part(section: str, fields: Manifest) -> Manifest:
    renamed = RENAMED.get(section, {})
    result = {renamed.get(key, _camel(key)): value for key, value in fields.items()}
    if section == "interfaces":
        result.setdefault("flags", [])
    if section == "cpu":
        result |= _frequency(result.pop("frequency", None))
    if isinstance(times := result.get("ioPerf"), dict):
        result["ioPerf"] = _convert_part("io_perf", times)
    return {key: value for key, value in result.items() if _storable(key, value)}


def _frequency(megahertz: object) -> dict[str, str]:
    """Return the field of a frequency, of which the custom resource has a string."""
    if isinstance(megahertz, int | float) and 0 <= megahertz < FREQUENCY_LIMIT:
        return {"frequency": f"{megahertz:.2f}"}
    return {}


def _storable(key: str, value: object) -> bool:
    """Tell whether the CRD can store the value; v0.2 let numbers beyond int32 wrap.

    A number that it cannot store is left out. Were the report refused instead, the device would
    send it without end.
    """
    if key in INT32_FIELDS:
        return isinstance(value, int) and 0 <= value <= INT32_MAXIMUM
    return not isinstance(value, int) or -INT64_MAXIMUM <= value <= INT64_MAXIMUM


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _text_at(hardware: Hardware | None, path: tuple[str, ...]) -> str:
    value: object = hardware
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else ""
