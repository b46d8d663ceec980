"""The table of the fleet on the pages looks like what `flotta status` prints."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pages import ROOT, blocks
from rich.console import Console

from flotta.cli.status_table import rows_as_table
from flotta.fleet.status import device_rows

NOW = datetime(2026, 11, 29, 12, 0, 0, tzinfo=UTC)
PAGES = (ROOT / "README.md", ROOT / "docs/tutorial/first-fleet.md")


def device(name: str, role: str) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "namespace": "default",
            "labels": {"app": "os-stats", "role": role},
        },
        "status": {
            "phase": "up",
            "lastSeenTime": "2026-11-29T11:59:57Z",
            "conditions": [{"type": "Ready", "status": "True"}],
            "workloads": [{"name": "os-stats", "phase": "Running"}],
        },
    }


def printed() -> list[str]:
    rows = device_rows([device("camera-1", "camera"), device("till-1", "till")], [])
    output = io.StringIO()
    Console(file=output, width=140).print(rows_as_table(rows, NOW))
    return [line.strip() for line in output.getvalue().splitlines() if line.strip()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_site_ends_with_this_table(page: Path) -> None:
    tables = [block for block in blocks(page) if "Last seen" in block.text]
    assert tables
    headings, *_ = printed()
    for table in tables:
        lines = [line.strip() for line in table.text.splitlines() if line.strip()]
        assert any(line.split() == headings.split() for line in lines), table.text


def test_the_readme_shows_the_fleet_of_the_local_site() -> None:
    [table] = [block for block in blocks(PAGES[0]) if "Last seen" in block.text]
    assert [line.strip() for line in table.text.splitlines() if line.strip()] == printed()
