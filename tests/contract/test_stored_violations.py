"""Kubernetes before 1.30 checks unchanged fields: what the control plane does then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract import unratcheted_apiserver
from contract.api import Api
from contract.earlier_objects import NAMESPACE, on_embedded, path_of
from contract.engine import Engine
from contract.test_earlier_objects import report
from flotta.operator.runtime.steps import execute_steps, patch_metadata, patch_status
from flotta.resources.client import Client, Invalid
from flotta.resources.conditions import UPDATABLE, find_condition
from flotta.resources.kinds import EDGE_DEVICE

TILL = path_of("edgedevices", "till")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    # Such a server also checks the rules of a spec when the status is written.
    with on_embedded(tmp_path, unratcheted_apiserver, {"storage": None}) as running:
        yield running


def updatable(till: dict[str, Any]) -> Any:
    return find_condition(till["status"]["conditions"], UPDATABLE)


async def test_a_condition_says_what_prevents_changes_until_it_is_corrected(
    engine: Engine,
) -> None:
    admin = Api(engine.kubeconfig("admin"))
    # What cutting does not mend: words that the schema does not know.
    right = {"conditions": [], "workloads": [], "lastSeenTime": None}
    assert admin.merge(f"{TILL}/status", {"status": right}).status == 422
    status = admin.get(TILL).body["status"]
    async with await Client.connect(str(engine.kubeconfig("admin"))) as client:
        till = await client.get(EDGE_DEVICE, "till", NAMESPACE)
        await execute_steps(client, patch_status(EDGE_DEVICE, till, {**till["status"], **right}))
        assert len(admin.get(TILL).body["status"]["agentVersion"]) == 128
        assert len(status["agentVersion"]) > 128

        till = await client.get(EDGE_DEVICE, "till", NAMESPACE)
        label = patch_metadata(EDGE_DEVICE, till, {"labels": {"workload/web": "true"}})
        with pytest.raises(Invalid):
            await execute_steps(client, label)
        condition = updatable(admin.get(TILL).body)
        assert (condition["status"], condition["reason"]) == ("False", "StoredViolation")
        assert "spec.heartbeat.periodSeconds" in condition["message"]

        spec = dict.fromkeys(admin.get(TILL).body["spec"])
        assert admin.merge(TILL, {"spec": spec}).status == 200
        till = await client.get(EDGE_DEVICE, "till", NAMESPACE)
        await execute_steps(
            client, patch_metadata(EDGE_DEVICE, till, {"labels": {"workload/web": "true"}})
        )
        assert updatable(admin.get(TILL).body) is None


async def test_heartbeats_cut_the_whole_status_and_go_on_without_labels(engine: Engine) -> None:
    admin = Api(engine.kubeconfig("admin"))
    allowed = {"lastSeenTime": None, "conditions": [], "workloads": [{"name": "printer"}]}
    await cut(engine, allowed)
    await report(engine.kubeconfig("admin"), admin.get(TILL).body["metadata"]["uid"])

    till = admin.get(TILL).body
    assert till["status"]["lastSyncedResourceVersion"] == "v2"
    assert "device.hostname" not in till["metadata"]["labels"]


async def cut(engine: Engine, change: dict[str, Any]) -> None:
    async with await Client.connect(str(engine.kubeconfig("admin"))) as client:
        till = await client.get(EDGE_DEVICE, "till", NAMESPACE)
        await execute_steps(client, patch_status(EDGE_DEVICE, till, {**till["status"], **change}))
