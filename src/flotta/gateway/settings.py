"""The gateway's configuration: config.toml, tags.toml, labels.toml, paths and waiting times.

The keys are in docs/reference/settings.md#gateway-configuration-file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, time
from pathlib import Path
from typing import TypedDict, Unpack

from flotta.durable_files import read_bounded
from flotta.identity.peers import is_device_id
from flotta.own_names import DEVICE_PORT
from flotta.protocol.models import MAX_BROUGHT_LABELS
from flotta.settings import device as known

MACHINE_ID = Path("/etc/machine-id")
LABELS_FILE = "labels.toml"
MAX_SIZE = 1 << 20  # bytes of a configuration file
# Characters, of Kubernetes ("Labels and Selectors"): a key is a DNS name, a slash and a name.
MAX_LABEL_KEY, MAX_LABEL_VALUE = 253 + 1 + 63, 63


@dataclass(frozen=True)
class Timing:
    """Every waiting time in seconds, long enough for GPRS and satellites."""

    connect_timeout: float = 30.0  # each for TCP and for the TLS handshake
    response_timeout: float = 60.0  # between two pieces of a response, besides `hold` for a poll
    hold: int = 55  # how long the server may hold a poll (Prefer: wait)
    retry_first: float = 1.0  # after the first failure
    retry_cap: float = 60.0  # after many failures
    quick_response: float = 1.0  # an unchanged response faster than this was not held
    quick_delay: float = 5.0  # then the next poll waits this long and up to half as much again
    worker_timeout: float = 60.0  # for a worker to take a message
    cleanup_timeout: float = 120.0  # for a worker to remove everything
    wanted_spread: float = 3600.0  # in which devices renew whose CA was rolled over
    renewal_retry_cap: float = 3600.0  # at most, while the certificate is still valid


@dataclass(frozen=True)
class Settings:
    """What the gateway needs to know about server and device."""

    host: str
    port: int
    device_id: str
    cert_file: Path
    key_file: Path
    ca_root: tuple[Path, ...]
    path_prefix: str = known.PATH_PREFIX.default
    log_level: str = known.DEVICE_LOG_LEVEL.default
    tags: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)  # that the device brings along
    device_folder: Path = Path("/etc/pki/consumer/device")
    state_folder: Path = known.STATE_DIR.path
    socket: Path = known.SOCKET.path
    workers_folder: Path = known.WORKERS_DIR.path
    group: str | None = known.GROUP.default
    users: frozenset[int] = frozenset({0})
    timing: Timing = Timing()

    @property
    def server(self) -> str:
        """`host:port` as in a Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Places(TypedDict, total=False):
    """The fields of `Settings` that are not in the configuration files."""

    device_folder: Path
    state_folder: Path
    socket: Path
    workers_folder: Path
    group: str | None
    users: frozenset[int]


def load_settings(config: Path, tags: Path, **places: Unpack[Places]) -> Settings:
    """Read both files and `labels.toml` beside the tags; `places` override the defaults.

    Raises ValueError with a sentence that names file and key.
    """
    table = _read_toml(config)
    host, port = _parse_server(config, table)
    cert_file = _parse_path(config, table, "cert-file")
    settings = Settings(
        host=host,
        port=port,
        device_id=_parse_device_id(config, table),
        cert_file=cert_file,
        key_file=_parse_path(config, table, "key-file"),
        ca_root=_parse_ca_root(config, table),
        path_prefix=str(table.get(known.PATH_PREFIX.key, known.PATH_PREFIX.default)).strip("/"),
        log_level=str(table.get(known.DEVICE_LOG_LEVEL.key, known.DEVICE_LOG_LEVEL.default)),
        tags=load_tags(tags),
        labels=load_labels(tags.with_name(LABELS_FILE)),
        device_folder=cert_file.parent / "device",
    )
    return replace(settings, **places)


def load_tags(path: Path) -> dict[str, str]:
    """Return the tags as strings; a missing file has none."""
    table = _read_toml(path) if path.exists() else {}
    return {key: _format_tag(path, key, value) for key, value in table.items()}


def load_labels(path: Path) -> dict[str, str]:
    """Return the labels that the device asks for when it joins; a missing file has none.

    Raises ValueError with a sentence.
    """
    table = _read_toml(path) if path.exists() else {}
    labels = table.pop("labels", {})
    if table:
        raise ValueError(
            f"{path}: {min(table)} is not in the table labels; write [labels] above it"
        )
    if not isinstance(labels, dict) or len(labels) > MAX_BROUGHT_LABELS:
        raise ValueError(f"{path}: labels must be a table of at most {MAX_BROUGHT_LABELS} labels")
    for key, value in labels.items():
        if not isinstance(value, str):
            raise ValueError(f"{path}: label {key} must be a string, so put its value in quotes")
        if len(key) > MAX_LABEL_KEY or len(value) > MAX_LABEL_VALUE:
            raise ValueError(
                f"{path}: label {key[:MAX_LABEL_VALUE]} is too long; a value has at most "
                f"{MAX_LABEL_VALUE} characters"
            )
    return labels


def _read_toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(read_bounded(path, MAX_SIZE).decode())
    except FileNotFoundError:
        raise ValueError(
            f"{path} does not exist; run the role flotta.edge.device, which writes it"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error


def _parse_server(path: Path, table: Mapping[str, object]) -> tuple[str, int]:
    text = table.get("server")
    if not isinstance(text, str) or not text or "/" in text:
        raise ValueError(f"{path}: server must be host:port without scheme, not {text!r}")
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]") or (":" in host and not host.startswith("[")):
        host, port = text, str(DEVICE_PORT)
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{path}: the port of server {text!r} is not a number from 1 to 65535")
    return host.strip("[]"), int(port)


def _parse_device_id(path: Path, table: Mapping[str, object]) -> str:
    """Return client-id in lower case: it becomes the name of an object in the control plane."""
    text = table.get("client-id") or _read_machine_id()
    device_id = str(text).strip().lower()
    if not is_device_id(device_id) or device_id == "register":
        raise ValueError(
            f"{path}: client-id {text!r} cannot be a device id: use at most 64 lower-case "
            "letters, digits, '-' and '.', and not 'register'"
        )
    return device_id


def _read_machine_id() -> str:
    return MACHINE_ID.read_text().strip() if MACHINE_ID.exists() else ""


def _parse_path(path: Path, table: Mapping[str, object], key: str) -> Path:
    text = table.get(key)
    if not isinstance(text, str) or not text:
        raise ValueError(f"{path}: {key} is missing")
    return Path(text)


def _parse_ca_root(path: Path, table: Mapping[str, object]) -> tuple[Path, ...]:
    roots = table.get("ca-root")
    roots = [roots] if isinstance(roots, str) else roots
    if not isinstance(roots, list) or not roots or not all(isinstance(root, str) for root in roots):
        raise ValueError(f"{path}: ca-root must name at least one file of CA certificates")
    return tuple(Path(root) for root in roots)


def _format_tag(path: Path, key: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError(f"{path}: tag {key} must be a plain value, not a table or list")
