"""Gathers when the certificates of a fleet expire, and says it in a table or as data.

Columns and keys are an interface (docs/reference/command-line.md#flotta-certificates).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from rich import box
from rich.table import Table
from rich.text import Text

from flotta.cli.registration import Batches
from flotta.cli.server_certificates import ServerCertificates
from flotta.fleet.expiries import (
    DeviceCertificates,
    PublishedCertificates,
    list_batches,
    list_published,
    read_devices,
    read_published,
)
from flotta.identity.expiry import Expiry, Kind, State, advise
from flotta.own_names import CERTIFICATES_CONFIG_MAP
from flotta.printable_text import printable
from flotta.resources.client import Client
from flotta.resources.kinds import CONFIG_MAP, EDGE_DEVICE
from flotta.rfc3339 import format_time

HEADINGS = ("Certificate", "Name", "Expires", "State")
COLOURS: dict[State, str] = {"valid": "green", "expires soon": "yellow", "expired": "red"}
NAMED = 20  # devices in a sentence


@dataclass(frozen=True)
class FleetCertificates:
    """What the resource API says about certificates; `published` is None before an Edge API ran."""

    published: PublishedCertificates | None
    batches: list[Expiry]
    devices: DeviceCertificates
    servers: list[Expiry] = field(default_factory=list)  # others than the Edge API

    @property
    def own(self) -> list[Expiry]:
        """Of the control plane itself."""
        return list_published(self.published) if self.published else []


async def read_certificates(client: Client, namespace: str) -> FleetCertificates:
    """Read what is public, what was issued for whom, and the devices; raises ApiError."""
    config_map, (batches, _), devices, servers = await asyncio.gather(
        client.get_or_none(CONFIG_MAP, CERTIFICATES_CONFIG_MAP, namespace),
        Batches(client, namespace).list(),
        client.list(EDGE_DEVICE),
        ServerCertificates(client, namespace).list(),
    )
    published = read_published(config_map)
    issuing = published.issuing if published else ""
    return FleetCertificates(
        published,
        list_batches(batches),
        read_devices(devices, issuing),
        [server.expiry for server in servers if server.expiry],
    )


def as_table(expiries: list[Expiry], now: datetime) -> Table:
    """Return the certificates as a table for people."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in HEADINGS:
        table.add_column(heading)
    for expiry in expiries:
        state = expiry.state_at(now)
        table.add_row(
            Text(expiry.kind),
            Text(printable(expiry.name), overflow="fold"),
            Text(format_time(expiry.not_after)),
            Text(state, style=COLOURS[state]),
        )
    return table


def as_data(
    certificates: FleetCertificates, others: list[Expiry], now: datetime
) -> dict[str, object]:
    """Return everything as plain data for JSON."""
    devices = certificates.devices
    own = [*certificates.own, *certificates.servers, *certificates.batches]
    every = [*own, *others, *devices.expiries]
    return {
        "certificates": [
            {
                "kind": expiry.kind,
                "name": expiry.name,
                "expires": format_time(expiry.not_after),
                "state": expiry.state_at(now),
                "urgent": expiry.is_urgent(now),
            }
            for expiry in every
        ],
        "devices": {
            "total": devices.total,
            "former_ca": list(devices.former),
            "unknown": list(devices.unknown),
        },
    }


def describe_devices(certificates: FleetCertificates, now: datetime) -> list[str]:
    """Return sentences about the devices as a whole."""
    devices = certificates.devices
    soon = sum(expiry.is_urgent(now) for expiry in devices.expiries)
    said = [f"Devices: {devices.total}, of which {soon} did not renew in time."]
    if devices.unknown:
        said.append(
            f"No certificate was seen yet of {_name(devices.unknown)}: look again after their next "
            "heartbeat"
        )
    if certificates.published is None:
        return said
    if len(certificates.published.authorities) == 1:
        if devices.former:
            said.append(
                "Shut out, as their certificate is of a CA that is trusted no longer: "
                f"{_name(devices.former)}. To let one join again, delete its EdgeDevice and run "
                "the role flotta.edge.device"
            )
    elif devices.former:
        rolled = "The CA is rolled over. " if certificates.published.former else ""
        said.append(f"{rolled}Of another CA than the one that issues: {_name(devices.former)}.")
    elif certificates.published.former and not devices.unknown:
        said.append("The CA is rolled over. To end it: flotta certificates finish-ca")
    return said


def describe_steps(expiries: list[Expiry], now: datetime) -> list[str]:
    """Return what to do about what expires, a sentence for each kind."""
    urgent: dict[Kind, list[str]] = {}
    for expiry in expiries:
        if expiry.is_urgent(now):
            urgent.setdefault(expiry.kind, []).append(expiry.name)
    return [f"{kind} {_name(names)}: {advise(kind)}" for kind, names in urgent.items()]


def _name(names: tuple[str, ...] | list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(map(printable, names[:NAMED])) + more
