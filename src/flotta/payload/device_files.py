"""The files of a device, from what its medium is to say.

Keys of `config.toml` are in docs/reference/settings.md#gateway-configuration-file; it has no
`client-id`, which the device finds out itself.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator, Mapping, Sequence

from flotta.payload.network_files import render_networks, render_wireless
from flotta.payload.personalisation import Personalisation
from flotta.payload.tree import PayloadFile

IDENTITY = "/etc/pki/consumer"
CONFIGURATION = "/etc/yggdrasil"
CLOCK_EPOCH = "/usr/lib/clock-epoch"
AUTHORIZED_KEYS = "/root/.ssh/authorized_keys"
HOSTS = "/etc/hosts"
# Go programs, podman among them, read every file there; the other is for update-ca-certificates.
EXTRA_AUTHORITIES = (
    "/etc/ssl/certs/flotta-extra.pem",
    "/usr/local/share/ca-certificates/flotta-extra.crt",
)
LOCAL_HOSTS = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"


def make_files(wanted: Personalisation) -> Sequence[PayloadFile]:
    """Return every file that is copied over the root of the device, sorted by path."""
    files = [
        *_identity(wanted),
        *_configuration(wanted),
        *render_networks(wanted.networks),
        *render_wireless(wanted.wireless),
        *_access(wanted),
        PayloadFile(CLOCK_EPOCH, b"", mtime=wanted.not_before),  # systemd's earliest clock
    ]
    return sorted(files, key=lambda file: file.path)


def _identity(wanted: Personalisation) -> Iterator[PayloadFile]:
    credential = wanted.credential
    yield PayloadFile(f"{IDENTITY}/ca.pem", credential.authorities)
    yield PayloadFile(f"{IDENTITY}/cert.pem", credential.certificate)
    yield PayloadFile(f"{IDENTITY}/key.pem", credential.key, 0o600, secret=True)


def _configuration(wanted: Personalisation) -> Iterator[PayloadFile]:
    config: dict[str, str | list[str]] = {
        "cert-file": f"{IDENTITY}/cert.pem",
        "key-file": f"{IDENTITY}/key.pem",
        "ca-root": [f"{IDENTITY}/ca.pem"],
        "path-prefix": wanted.path_prefix,
        "protocol": "http",
        "server": wanted.server,
    }
    yield _toml("config.toml", config)
    yield _toml("tags.toml", {**wanted.tags, "namespace": wanted.namespace})
    if wanted.labels:
        yield _toml("labels.toml", wanted.labels, table="labels")
    if wanted.address and not _is_address(host_of(wanted.server)):
        line = f"{wanted.address} {host_of(wanted.server)}\n"
        yield PayloadFile(HOSTS, (LOCAL_HOSTS + line).encode())


def host_of(server: str) -> str:
    """Return the host of `host:port`."""
    return server.rpartition(":")[0].strip("[]")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _access(wanted: Personalisation) -> Iterator[PayloadFile]:
    if wanted.ssh_keys:
        keys = "".join(f"{key}\n" for key in wanted.ssh_keys)
        yield PayloadFile(AUTHORIZED_KEYS, keys.encode(), 0o600)
    if wanted.extra_authorities:
        for path in EXTRA_AUTHORITIES:
            yield PayloadFile(path, wanted.extra_authorities)


def _toml(name: str, values: Mapping[str, str | list[str]], table: str = "") -> PayloadFile:
    """Return a TOML file; its strings are those of JSON, as no text has control characters."""
    lines = [f"[{table}]\n"] if table else []
    lines += [
        f"{_text(key)} = {_text(value)}\n"
        if isinstance(value, str)
        else f"{_text(key)} = [{', '.join(map(_text, value))}]\n"
        for key, value in sorted(values.items())
    ]
    return PayloadFile(f"{CONFIGURATION}/{name}", "".join(lines).encode())


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
