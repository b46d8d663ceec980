"""Settings of media from the command line: a file, and options that count more."""

from __future__ import annotations

import argparse
import errno
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from flotta.durable_files import read_bounded
from flotta.images.personalise.batches import Wanted, expand, without_replaced
from flotta.images.settings.fields import invalid
from flotta.yaml_loader import load_yaml

MAX_FILE = 4 * 1024 * 1024  # bytes: a thousand media have some lines each
CREDENTIAL = {"certificate": "client.crt", "key": "client.key", "ca": "ca.crt"}


def read_wanted(options: argparse.Namespace) -> Sequence[Wanted]:
    """Return the media that file and options name. Raises ValueError with a sentence."""
    own = _from_options(options)
    common = without_replaced(_read_file(options.settings), own)
    return expand({**common, **own}, options.output)


def _read_file(path: str | None) -> Mapping[str, object]:
    if path is None:
        return {}
    try:
        text = _read_input() if path == "-" else read_bounded(Path(path), MAX_FILE)
        settings = load_yaml(text) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise invalid("file", f"{path} cannot be read: {error}") from error
    if not isinstance(settings, dict):
        raise invalid("file", f"{path} is not a mapping of settings")
    return settings


def _read_input() -> bytes:
    data = sys.stdin.buffer.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise OSError(errno.EFBIG, f"it is larger than {MAX_FILE} bytes")
    return data


def _from_options(options: argparse.Namespace) -> Mapping[str, object]:
    given: dict[str, object] = {
        "server": options.server,
        "batch": options.batch,
        "namespace": options.namespace,
        "device_id": options.device_id,
    }
    if options.registration:
        for name, file in CREDENTIAL.items():
            given[f"{name}_file"] = str(options.registration / file)
    if options.label:
        given["labels"] = dict(_split(label) for label in options.label)
    if options.ssh_key:
        given["ssh_authorized_keys"] = [line for path in options.ssh_key for line in _keys(path)]
    return {name: value for name, value in given.items() if value is not None}


def _split(label: str) -> tuple[str, str]:
    key, equals, value = label.partition("=")
    if not equals:
        raise invalid("labels", f"has {label!r}, and not KEY=VALUE")
    return key, value


def _keys(path: Path) -> Sequence[str]:
    try:
        lines = read_bounded(path, MAX_FILE).decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise invalid("ssh_authorized_keys", f"cannot be read from {path}: {error}") from error
    return [line for line in lines if line.strip() and not line.startswith("#")]
