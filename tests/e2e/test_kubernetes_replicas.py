"""Pods of the control plane die, the node too: devices go on, and what was asked for happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from e2e.control_plane import EDGE_API, NAMESPACE, OPERATOR, Cluster
from e2e.machines import eventually
from e2e.site import Site, workload
from e2e.traffic import DEVICES, traffic

SERVICES = "systemctl show -P ActiveEnterTimestampMonotonic flotta-gateway flotta-device-worker"


LOST = "Heartbeat not delivered"


@contextmanager
def frequent_heartbeats(site: Site) -> Iterator[None]:
    """Let both devices send one every few seconds, so that whatever is lost in between shows."""
    patch = '{"spec": {"heartbeat": {"periodSeconds": %s}}}'
    for device in DEVICES:
        site.kubectl("patch", "edgedevice", device, "--type=merge", "--patch", patch % 4)
    try:
        yield
    finally:
        for device in DEVICES:
            site.kubectl("patch", "edgedevice", device, "--type=merge", "--patch", patch % "null")


def kill_processes(cluster: Cluster) -> None:
    for process in cluster.processes(EDGE_API):
        before = cluster.restarts(EDGE_API)
        cluster.node.run(f"kill -KILL {process}")
        eventually("it runs again", lambda n=before: cluster.restarts(EDGE_API) > n, 120)
        eventually("two replicas answer again", cluster.receives_devices, 120)


def remove_pods(cluster: Cluster) -> None:
    for pod in cluster.pods(EDGE_API):
        cluster.remove(pod)
        eventually("two replicas answer again", cluster.receives_devices, 120)


def roll_out(cluster: Cluster) -> None:
    rollout = ("-n", NAMESPACE, f"deployment/{EDGE_API}")
    cluster.site.kubectl("rollout", "restart", *rollout)
    cluster.site.kubectl("rollout", "status", *rollout, "--timeout=180s")


@pytest.mark.parametrize("end", [kill_processes, remove_pods, roll_out])
def test_every_edge_api_ends_and_devices_notice_nothing(
    site: Site, cluster: Cluster, end: Callable[[Cluster], None]
) -> None:
    eventually("two replicas answer", cluster.receives_devices, 120)
    before = [host.run(SERVICES) for host in (site.till, site.camera)]
    with frequent_heartbeats(site), traffic(site, f"replica-{time.time_ns():x}") as seen:
        time.sleep(5)
        began = site.till.run("date +%s").strip()
        end(cluster)
        time.sleep(5)
    assert not seen.lapses
    assert {device for device, _ in seen.states} == set(DEVICES)
    assert len(seen.files) > 10
    bucket = site.bucket("till-1")
    wanted = {f"statistics/{name}" for name in seen.files}
    eventually(
        "all files arrive",
        lambda: wanted <= site.keys(bucket, f"statistics/{seen.prefix}").keys(),
        120,
    )
    for host in (site.till, site.camera):
        journal = host.journal("flotta-*", since=f"@{began}")
        for trouble in ("ERROR", "Traceback", LOST):
            assert trouble not in journal, journal
    assert [host.run(SERVICES) for host in (site.till, site.camera)] == before


def test_the_operator_is_killed_again_and_again_and_all_comes_out_right(
    site: Site, cluster: Cluster
) -> None:
    over = threading.Event()

    def assassin() -> None:
        while not over.wait(0.7):
            cluster.kill(*cluster.pods(OPERATOR))

    thread = threading.Thread(target=assassin)
    thread.start()
    try:
        for number in range(6):
            site.apply(workload(f"killed-{number}", {"app": "os-stats"}))
            time.sleep(1)
        site.kubectl("delete", "edgeworkload", "killed-0", "killed-1")
        site.kubectl("label", "edgedevice", "camera-1", "app-")
        time.sleep(4)
    finally:
        over.set()
        thread.join()
    left = [f"killed-{number}" for number in range(2, 6)]
    try:
        for name in left:
            eventually(
                f"{name} runs on the till", lambda n=name: site.phase("till-1", n) == "Running", 180
            )
        for name in ("killed-0", "killed-1"):
            eventually(f"{name} is gone", lambda n=name: site.entry("till-1", n) is None, 60)
        eventually("the camera has none", lambda: site.entry("camera-1", "killed-5") is None, 60)
        for name in left:
            status = eventually(
                f"{name} is counted",
                lambda n=name: _counted(site, n),
                60,
            )
            assert (status["matched"], status["running"]) == (1, 1)
        labels = site.get("edgedevice", "camera-1")["metadata"]["labels"]
        assert not [label for label in labels if label.startswith("workload/killed")]
    finally:
        site.kubectl("label", "edgedevice", "camera-1", "app=os-stats")
        site.kubectl("delete", "edgeworkload", "--ignore-not-found", *left)
    eventually(
        "the camera runs the sample", lambda: site.phase("camera-1", "os-stats") == "Running"
    )
    eventually("two operators are there", lambda: cluster.available(OPERATOR), 120)


def _counted(site: Site, name: str) -> dict[str, int] | None:
    found = site.get("edgeworkload", name)
    status: dict[str, int] = found.get("status", {})
    fresh = status.get("observedGeneration") == found["metadata"]["generation"]
    return status if fresh and status.get("running") == status.get("matched") == 1 else None


def test_after_a_reboot_of_the_node_everything_comes_back_by_itself(
    site: Site, cluster: Cluster
) -> None:
    before = [host.run(SERVICES) for host in (site.till, site.camera)]
    uids = [site.get("edgedevice", device)["metadata"]["uid"] for device in DEVICES]
    prefix = f"reboot-{time.time_ns():x}"
    cluster.node.stop()
    cluster.node.start()
    eventually("the API answers", lambda: site.get("namespace", NAMESPACE), 120)
    eventually("the Edge API answers", lambda: cluster.available(EDGE_API), 180)
    eventually("the operator is back", lambda: cluster.available(OPERATOR), 180)
    reborn = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    for device in DEVICES:
        eventually(
            f"{device} is heard again",
            lambda d=device: site.get("edgedevice", d)["status"]["lastSeenTime"] > reborn,
            150,
        )
        eventually(f"{device} is ready", lambda d=device: site.ready(d) == "True", 60)
    bucket = site.bucket("till-1")
    site.till.run(f"echo x > /var/local/yggdrasil/device/volumes/os-stats/stats/{prefix}")
    eventually("files flow", lambda: site.keys(bucket, f"statistics/{prefix}"), 90)
    site.apply(workload("after-reboot", {"role": "till"}))
    eventually("new work arrives", lambda: site.phase("till-1", "after-reboot") == "Running", 90)
    site.kubectl("delete", "edgeworkload", "after-reboot")
    assert [site.get("edgedevice", device)["metadata"]["uid"] for device in DEVICES] == uids
    assert [host.run(SERVICES) for host in (site.till, site.camera)] == before
