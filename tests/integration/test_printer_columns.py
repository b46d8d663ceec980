"""What `kubectl get` shows of every kind, the same on both engines."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from operator_site import ENGINES, resource_api

from contract.kubectl import current_kubectl
from flotta.resources.client import Client
from flotta.resources.kinds import (
    BUCKET_CLAIM,
    EDGE_CONFIG,
    EDGE_DEVICE,
    EDGE_DEVICE_SET,
    EDGE_WORKLOAD,
    PLAYBOOK_EXECUTION,
    SIGNED_REQUEST,
    Kind,
)

SEEN = "2020-01-01T00:00:00Z"
READY = {"type": "Ready", "status": "True", "lastTransitionTime": SEEN}
POD = {"spec": {"containers": [{"name": "main", "image": "localhost/a"}]}}
# Kind, labels, spec, status, and the row without the age.
SHOWN: list[tuple[Kind, dict[str, str], Any, Any, str]] = [
    (
        EDGE_DEVICE,
        {"flotta/member-of": "north"},
        {},
        {
            "phase": "up",
            "lastSeenTime": SEEN,
            "conditions": [{"type": "Other", "status": "False"}, READY],
        },
        "shown True up north 6y...d",
    ),
    (
        EDGE_WORKLOAD,
        {},
        {"type": "pod", "pod": POD, "device": "shown"},
        {"matched": 3, "running": 2, "failed": 0, "conditions": [READY]},
        "shown 3 2 0 True",
    ),
    (EDGE_DEVICE_SET, {}, {}, {"members": 2, "ready": 1}, "shown 2 1"),
    (
        SIGNED_REQUEST,
        {},
        {"targetNamespace": "shops"},
        {"phase": "pending", "conditions": []},
        "shown shown shops false pending N2Q6-WVQ9",
    ),
    (
        EDGE_CONFIG,
        {},
        {"edgePlaybook": {"user": "root", "playbooks": [{"content": "LS0t"}]}},
        {},
        "shown root",
    ),
    (
        PLAYBOOK_EXECUTION,
        {},
        {"executionAttempt": 1},
        {
            "conditions": [
                {"type": "Running", "status": "False"},
                {"type": "Done", "status": "True"},
            ]
        },
        "shown 1 Done",
    ),
    (
        BUCKET_CLAIM,
        {},
        {"storageClassName": "fast"},
        {"phase": "Bound"},
        "shown fast Bound",
    ),
]


@pytest.fixture(scope="module", params=ENGINES)
def kubeconfig(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    with resource_api(tmp_path_factory.mktemp("columns"), request.param) as access:
        yield access("admin")


@pytest.mark.parametrize("row", SHOWN, ids=lambda row: row[0].kind)
async def test_kubectl_shows_what_matters_of(
    kubeconfig: Path, row: tuple[Kind, dict[str, str], Any, Any, str]
) -> None:
    kind, labels, spec, status, expected = row
    annotations = {"management.project-flotta.io/console-code": "N2Q6-WVQ9"}  # of requests
    metadata = {"name": "shown", "namespace": "default", "labels": labels}
    metadata |= {"annotations": annotations}
    async with await Client.connect(str(kubeconfig)) as client:
        await client.create(kind, {"metadata": metadata, "spec": spec})
        patch = {"status": status}
        await client.merge_patch(kind, "shown", "default", patch, "status")
    line = got(kubeconfig, kind).splitlines()[-1]
    cells = line.split()
    pattern = re.escape(expected).replace(re.escape("6y...d"), r"\d+y\d*d?").replace(r"\ ", " ")
    assert re.fullmatch(rf"{pattern} \d+s", " ".join(cells)), line


def got(kubeconfig: Path, kind: Kind) -> str:
    command = [str(current_kubectl()), "--kubeconfig", str(kubeconfig), "get"]
    done = subprocess.run(
        [*command, f"{kind.plural}.{kind.group}", "-n", "default"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
