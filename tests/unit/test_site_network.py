"""Several local sites that start at once get different subnets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = (
    ROOT / "collections/ansible_collections/flotta/edge/roles/local_hosts/files/create_network.py"
)
FIRST, SECOND = "10.91.7.0/24", "10.91.8.0/24"
# Another site takes the first subnet while this one creates its network there.
PODMAN = f"""#!/bin/sh
case "$2:$*" in
  ls:*) cat "$STATE/networks" ;;
  create:*{FIRST}*)
    echo '[{{"subnets": [{{"subnet": "{FIRST}"}}]}}]' >"$STATE/networks"
    echo 'Error: subnet {FIRST} is already used on the host or by another config' >&2
    exit 125 ;;
  create:*broken) echo 'Error: netavark is missing' >&2; exit 125 ;;
  create:*) echo "$*" >"$STATE/created" ;;
esac
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    for name, text in {"podman": PODMAN, "ip": "#!/bin/sh\necho '[]'\n"}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "networks").write_text("[]")
    return {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "STATE": str(tmp_path)}


def create(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROGRAM), *arguments], env=environment, capture_output=True, text=True
    )


def test_a_subnet_that_another_site_takes_meanwhile_is_left_to_it(
    environment: dict[str, str], tmp_path: Path
) -> None:
    done = create(environment, "shop", "flotta.edge.site=here", FIRST, SECOND)

    assert done.stdout == f"{SECOND}\n"
    assert (tmp_path / "created").read_text().split()[-3:] == ["--subnet", SECOND, "shop"]


def test_nothing_is_created_where_every_subnet_is_used(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "networks").write_text(json.dumps([{"subnets": [{"subnet": "10.91.0.0/16"}]}]))

    assert create(environment, "shop", "flotta.edge.site=here", FIRST, SECOND).stdout == "\n"
    assert not (tmp_path / "created").exists()


def test_what_podman_says_otherwise_is_said(environment: dict[str, str]) -> None:
    done = create(environment, "broken", "flotta.edge.site=here", SECOND)

    assert done.returncode == 1
    assert "netavark is missing" in done.stderr
