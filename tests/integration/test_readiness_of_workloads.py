"""What a device says about its probes, up to the condition for which `kubectl wait` waits."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from functools import partial

import pytest
import pytest_asyncio
from device_certificates import issue_device
from edge_site import Device, Fleet, edge_api, fleet_of
from edge_site import Site as EdgeSite
from operator_site import ENGINES, Site, resource_api, running_operator

from contract.kubectl import current_kubectl
from flotta.resources.kinds import EDGE_DEVICE, EDGE_WORKLOAD
from waiting import eventually

NAME = "till-1"


@pytest.fixture(params=ENGINES)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EdgeSite]:
    directory = tmp_path_factory.mktemp("readiness")
    with resource_api(directory, request.param) as access:
        operator = Site(directory, directory / "operator.log", None, access)
        with edge_api(directory, access) as started, running_operator(operator):
            yield started


@pytest_asyncio.fixture
async def fleet(site: EdgeSite) -> AsyncIterator[Fleet]:
    async with fleet_of(site) as opened:
        yield opened


async def test_kubectl_waits_until_the_probes_of_a_pod_pass(fleet: Fleet) -> None:
    pod = {"containers": [{"name": "web", "image": "localhost/web:1"}]}
    spec = {"type": "pod", "device": NAME, "pod": {"spec": pod}}
    metadata = {"name": NAME, "namespace": "default"}
    known = await fleet.client.create(EDGE_DEVICE, {"metadata": metadata, "spec": {}})
    await fleet.client.create(
        EDGE_WORKLOAD, {"metadata": {**metadata, "name": "web"}, "spec": spec}
    )
    device = fleet.device(NAME, issue_device(fleet.authority, NAME, known["metadata"]["uid"]))

    # Nothing but `ready` changes. The condition is False before the first report, too.
    for ready, condition in ((True, "Ready"), (False, "Ready=False"), (True, "Ready")):
        await eventually(partial(is_reported, fleet, device, ready))
        await asyncio.to_thread(wait_for, fleet.site, condition)

    await device.close()


async def is_reported(fleet: Fleet, device: Device, ready: bool) -> bool:
    """Send a heartbeat; tell whether the status has it: the operator lists the workload first."""
    report = {"name": "web", "status": "Running", "ready": ready}
    assert (await device.beat(workloads=[report])).status == 200
    status = (await fleet.get(device)).get("status", {})
    return any(entry.get("ready") is ready for entry in status.get("workloads", ()))


def wait_for(site: EdgeSite, condition: str) -> None:
    command = [str(current_kubectl()), "--kubeconfig", str(site.kubeconfig), "wait"]
    done = subprocess.run(
        [*command, f"--for=condition={condition}", "edgeworkload/web", "--timeout=60s"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
