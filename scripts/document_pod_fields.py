"""Render the tables of docs/reference/pod-fields.md from `flotta.pod_fields`.

Usage: document_pod_fields.py [--check]. Each table stands below the heading of its section; the
text around the tables is the page's own. With --check, nothing is written and the exit code tells
whether something would be.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rendered_pages import ROOT, replace_table, write_pages

from flotta.pod_fields import containers, pod, volumes
from flotta.pod_fields.field import Field, Refusal, Support

PAGE = ROOT / "docs/reference/pod-fields.md"
# Headings of the page, and the rows of the table below each.
SECTIONS: dict[str, Sequence[Field]] = {
    "Network": pod.NETWORK,
    "Namespaces of the device": pod.NAMESPACES,
    "Life of the pod": pod.LIFE,
    "Security of the pod": (*pod.SECURITY, *containers.PROFILES),
    "What only a cluster has": pod.CLUSTER,
    "Program and environment": containers.PROCESS,
    "Life of a container": containers.LIFE,
    "Probes": containers.PROBES,
    "Security of a container": (*containers.SECURITY, *containers.PROFILES),
    "Resources": containers.RESOURCES,
    "Mounts": containers.MOUNTS,
    "Init containers": containers.INIT_CONTAINERS,
    "Directories": volumes.DIRECTORIES,
    "Files": (*volumes.FILES, *volumes.DOWNWARD),
    "Storage elsewhere": volumes.ELSEWHERE,
}
COLUMNS = "Field", "Support", "What happens", "What is refused"


def render(page: str) -> str:
    """Return the page with the tables as the code has them."""
    for heading, rows in SECTIONS.items():
        page = replace_table(page, heading, COLUMNS, map(_cells, rows))
    return page


def _cells(row: Field) -> tuple[str, ...]:
    refusals = ". ".join(_describe(row, refusal) for refusal in row.refusals)
    return f"`{row.path}`", str(row.support), row.how or "–", refusals or "–"


def _describe(row: Field, refusal: Refusal) -> str:
    other = f"Other than {refusal.unless.words}: " if refusal.unless.words else ""
    which = other or ("" if row.support is Support.REFUSED else "Any value: ")
    return f"{which}{refusal.message}"


if __name__ == "__main__":
    sys.exit(write_pages({PAGE: render(PAGE.read_text())}))
