"""The file with the configuration of a device: read, checked, and turned into the message to it.

It is a `DeviceConfigurationMessage`, in which what is text with YAML or JSON inside may be written
as it is: `specification`, an item of `configmaps`, and the `data` of a Secret. A sentence about
what is wrong names the place and never repeats a value, which may be secret.

Rules: docs/reference/configuration-api.md#the-file-of-a-configuration.
"""

from __future__ import annotations

import msgspec
import yaml

from flotta.configuration_api.content_rules import find_mistakes
from flotta.configuration_api.strict_yaml import describe_error, load_strict_json, load_strict_yaml
from flotta.configuration_api.unknown_fields import find_unknown
from flotta.printable_text import printable
from flotta.protocol.models import DeviceConfigurationMessage
from flotta.yaml_loader import ExcessiveYamlError

MAX_BYTES = 3 * 1024 * 1024  # of a file
SHOWN = 20  # mistakes that are named


def parse_configuration(
    data: bytes, device_id: str, *, is_json: bool = False
) -> DeviceConfigurationMessage:
    """Return the message of a file.

    Raises ValueError with everything that is wrong in it, a line each.
    """
    content = _load(data, is_json=is_json)
    if not isinstance(content, dict):
        raise ValueError("the file must be an object with `configuration`, `workloads`, `secrets`")
    plain = _texts(content)
    unknown = find_unknown(plain, DeviceConfigurationMessage)
    _refuse(unknown)
    try:
        message = msgspec.convert(plain, DeviceConfigurationMessage)
    except msgspec.ValidationError as error:
        raise ValueError(f"the configuration is not as expected: {error}") from error
    _refuse(find_mistakes(message, device_id))
    return message


def _refuse(mistakes: list[str]) -> None:
    if not mistakes:
        return
    more = len(mistakes) - SHOWN
    shown = mistakes[:SHOWN] + ([f"and {more} more"] if more > 0 else [])
    raise ValueError("\n  ".join(["the configuration cannot be used:", *map(printable, shown)]))


def _load(data: bytes, *, is_json: bool) -> object:
    if len(data) > MAX_BYTES:
        raise ValueError(f"the file is larger than {MAX_BYTES} bytes")
    if is_json:
        try:
            return load_strict_json(data)
        except ValueError as error:
            raise ValueError(f"the file is not JSON: {error}") from error
    try:
        return load_strict_yaml(data)
    except ExcessiveYamlError as error:
        raise ValueError(f"the file cannot be used: {describe_error(error)}") from error
    except yaml.YAMLError as error:
        raise ValueError(f"the file is not YAML: {describe_error(error)}") from error


def _texts(content: dict[object, object]) -> dict[object, object]:
    """Return the content with texts where the message has texts."""
    plain = dict(content)
    for field, convert in (("workloads", _workload), ("secrets", _secret)):
        if plain.get(field) is not None:
            plain[field] = [convert(item) for item in _items(plain, field)]
    return plain


def _items(content: dict[object, object], field: str) -> list[object]:
    value = content.get(field)
    if not isinstance(value, list):
        raise ValueError(f"{field} must be a list")
    return value


def _workload(item: object) -> object:
    if not isinstance(item, dict):
        return item
    workload = dict(item)
    if isinstance(workload.get("specification"), dict):
        workload["specification"] = _yaml(workload["specification"])
    if isinstance(workload.get("configmaps"), list):
        workload["configmaps"] = [
            _yaml(text) if isinstance(text, dict) else text for text in workload["configmaps"]
        ]
    return workload


def _secret(item: object) -> object:
    if not isinstance(item, dict) or not isinstance(item.get("data"), dict):
        return item
    return {**item, "data": msgspec.json.encode(item["data"]).decode()}


def _yaml(content: object) -> str:
    return yaml.safe_dump(content, sort_keys=False)
