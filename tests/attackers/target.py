"""The target of an attack, as one line of JSON on the attacker's standard input."""

from __future__ import annotations

import dataclasses
import json
import ssl
from dataclasses import dataclass
from pathlib import Path

BASE = "/api/flotta-management/v1"


@dataclass(frozen=True)
class Target:
    """Addresses on this machine, and what the attacker holds; all paths are of PEM files."""

    edge_api: int  # port
    resource_api: int  # port
    ca: str
    resource_ca: str
    device_id: str
    device: tuple[str, str]  # certificate and key of an active device
    registration: tuple[str, str]
    source: str = "127.0.0.2"  # address from which the attacker connects

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Target:
        return cls(**json.loads(text))

    def context(self, pair: tuple[str, str] | None = None) -> ssl.SSLContext:
        """Return a context of the Edge API's CA, with a certificate and key if given."""
        return make_context(self.ca, pair)


def make_context(ca: str, pair: tuple[str, str] | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    context.check_hostname = False
    if pair is not None:
        context.load_cert_chain(*map(Path, pair))
    return context
