"""docs/reference/pod-fields.md has the tables of the code."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3] / "scripts"))

import document_pod_fields

from flotta.pod_fields.containers import CONTAINERS, INIT_CONTAINERS
from flotta.pod_fields.pod import POD
from flotta.pod_fields.volumes import VOLUMES


def test_the_page_has_the_tables_of_the_code() -> None:
    """To mend it, run `scripts/document_pod_fields.py`."""
    page = document_pod_fields.PAGE.read_text()
    assert document_pod_fields.render(page) == page


def test_the_page_leaves_out_no_row() -> None:
    shown = {id(row) for rows in document_pod_fields.SECTIONS.values() for row in rows}
    rows = (*POD, *CONTAINERS, *INIT_CONTAINERS, *VOLUMES)
    assert [row.path for row in rows if id(row) not in shown] == []
