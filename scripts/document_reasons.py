"""Render the tables of docs/reference/reasons.md that come from `flotta.protocol.reasons`.

Usage: document_reasons.py [--check]. Each table stands below the heading of its section; the text
around the tables is the page's own. With --check, nothing is written and the exit code tells
whether something would be.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rendered_pages import ROOT, replace_table, write_pages

from flotta.protocol.reasons import (
    authority,
    conditions,
    device_programs,
    events,
    images,
    installation,
    live,
    refusals,
    store,
    sync,
    workloads,
)
from flotta.protocol.reasons.reason import (
    Condition,
    Event,
    Image,
    Log,
    PodReason,
    Reason,
    Refusal,
    Workload,
)

PAGE = ROOT / "docs/reference/reasons.md"
# Headings of the page, and the rows of the table below each.
SECTIONS: dict[str, Sequence[Reason]] = {
    "While a workload is deployed": workloads.DEPLOYING,
    "ImagePullFailed and ImageNeverPull": workloads.IMAGES,
    "CrashLoopBackOff and other container exits": workloads.EXITS,
    "HostPortInUse and other failures to start": workloads.STARTS,
    "InvalidSpecification and other errors in the workload": workloads.SPECIFICATION,
    "Misconfiguration, SecretNotFound and other references": workloads.REFERENCES,
    "DiskFailure and other errors of the device": workloads.DEVICE_ERRORS,
    "DataSyncFailed": workloads.DATA,
    "Causes of DataSyncFailed": sync.CAUSES,
    "EdgeDevice": conditions.DEVICES,
    "EdgeDeviceSet": conditions.DEVICE_SETS,
    "EdgeWorkload": conditions.WORKLOADS,
    "EdgeDeviceSignedRequest": conditions.REQUESTS,
    "ObjectBucketClaim": conditions.BUCKET_CLAIMS,
    "Events": [*events.EVENTS, *device_programs.REPORTED, *authority.REPORTED],
    "Refusals of the Edge API": refusals.REFUSALS,
    "Connection to the Edge API and to the worker": device_programs.CONNECTION,
    "Identity and time": device_programs.IDENTITY,
    "State of the worker": device_programs.STATE,
    "Certificates of the control plane": authority.LOGGED,
    "Remote data store": store.LOGGED,
    "Bases": images.BASES,
    "Credentials and settings": images.CREDENTIALS,
    "Files that are written": images.DESTINATIONS,
    "State": live.STATE,
    "Settings and device id": live.WARNINGS,
    "While Kubernetes starts the control plane": installation.PODS,
}
FIRST, LAST = "Reason", ("Meaning", "What to do")
COLUMNS: dict[type, tuple[str, ...]] = {
    Workload: ("Phase", "Retries"),
    Condition: ("Condition", "Status"),
    Event: ("About", "Type", "Component"),
    Refusal: ("Status",),
    PodReason: (),
    Log: ("Program",),
    Image: ("Action",),
}


def render(page: str) -> str:
    """Return the page with the tables as the code has them."""
    for heading, rows in SECTIONS.items():
        page = replace_table(page, heading, _columns(rows), map(_cells, rows))
    return page


def _columns(rows: Sequence[Reason]) -> tuple[str, ...]:
    place = rows[0].place
    first = "Pod reason" if isinstance(place, PodReason) else FIRST
    return first, *COLUMNS[type(place)], *LAST


def _cells(row: Reason) -> tuple[str, ...]:
    return f"`{row.code}`", *_place_cells(row), row.meaning, row.remedy


def _place_cells(row: Reason) -> tuple[str, ...]:
    match row.place:
        case Workload(phase, retries):
            return phase, retries
        case Condition(_, type_, status):
            return type_, status
        case Log(programs):
            return (", ".join(f"`{name}`" for name in programs.split(", ")),)
        case _:
            return tuple(row.place)


if __name__ == "__main__":
    sys.exit(write_pages({PAGE: render(PAGE.read_text())}))
