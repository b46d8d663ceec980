"""An operator made with kopf, run as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from contract.api import Api, core, device, devices
from waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

OPERATOR = Path(__file__).with_name("kopf_operator.py")
FINALIZER = "kopf.zalando.org/KopfFinalizerMarker"
SECONDS = 60.0  # kopf needs some to start


@pytest.fixture
def log(api: Api, kubeconfig: Path, namespace: str, tmp_path: Path) -> Iterator[Path]:
    """Yield the output of the operator, which runs in a namespace with a device."""
    api.create(devices(namespace), device("listed"))
    path = tmp_path / "log"
    command = [sys.executable, "-m", "kopf", "run", "--standalone", "-n", namespace, str(OPERATOR)]
    environment = os.environ | {"KUBECONFIG": str(kubeconfig)}
    with path.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=environment)
    yield path
    process.terminate()
    process.wait(60)


def test_an_operator_follows_the_life_of_a_device(api: Api, namespace: str, log: Path) -> None:
    def shown(name: str) -> Any:
        return api.get(devices(namespace, name)).body

    def phase(name: str, wanted: str) -> bool:
        return bool(shown(name).get("status", {}).get("phase") == wanted)

    def told() -> set[tuple[str, str]]:
        events = api.get(core(namespace, "events")).body["items"]
        return {(event["involvedObject"]["name"], event["reason"]) for event in events}

    for name in ("listed", "watched"):
        if name == "watched":
            api.create(devices(namespace), device(name))
        wait_until(lambda name=name: phase(name, "created"), SECONDS)
        assert shown(name)["metadata"]["finalizers"] == [FINALIZER]
        assert shown(name)["metadata"]["annotations"]["example.com/by"] == "kopf"
    api.merge(devices(namespace, "watched"), {"spec": {"heartbeat": {"periodSeconds": 7}}})
    wait_until(lambda: phase("watched", "updated to 7"), SECONDS)
    for name in ("listed", "watched"):
        api.delete(devices(namespace, name))
        wait_until(lambda name=name: api.get(devices(namespace, name)).status == 404, SECONDS)
        wait_until(lambda name=name: {(name, "Created"), (name, "Deleted")} <= told(), SECONDS)
    said = log.read_text()
    assert "Traceback" not in said
    assert "inconsistencies" not in said
