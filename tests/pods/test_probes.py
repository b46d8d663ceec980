"""Probes and restarts of single containers, as the process in a container sees them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pods.device import Device
from pods.host import ADDRESS
from pods.listener import PORT, TLS_PORT, Listener, running_listener
from pods.pod import SLEEP, Pod, container
from waiting import wait_until

DAY = 86400  # seconds
GRACE = 600  # seconds: more than a test waits
PASSES = 6  # more than there are between the first pass and the report that a pod is ready
# Long enough for a machine that stands still, short enough for a test.
PATIENT = {"periodSeconds": 1, "timeoutSeconds": 30, "failureThreshold": 2}
SERVER = "mkdir -p /tmp/www; echo fine >/tmp/www/health; exec httpd -f -p 8080 -h /tmp/www"
BAD_END = "{ echo begin; echo no key; exit 3; }"
# What a process may do and where it is: of the container's own and of a probe's.
CONTEXT = (
    "{ id; pwd; env | sort; grep -v systemd: /proc/self/cgroup;"
    " grep -E '^(Groups|Cap|NoNewPrivs|Seccomp:)' /proc/self/status; }"
)
# The service `shop.Till` is well, the server as a whole is not.
HEALTH_SERVER = """
import asyncio
from grpclib.health.check import ServiceStatus
from grpclib.health.service import OVERALL, Health
from grpclib.server import Server

class Till:
    def __mapping__(self):
        return {"/shop.Till/Sell": None}

async def main():
    failing = ServiceStatus()
    failing.set(False)
    server = Server([Health({Till(): [], OVERALL: [failing]})])
    await server.start("0.0.0.0", 50051)
    await server.wait_closed()

asyncio.run(main())
"""


def probe(**fields: Any) -> dict[str, Any]:
    return {**PATIENT, **fields}


def existing(path: str) -> dict[str, Any]:
    return {"exec": {"command": ["test", "-f", path]}}


def shell(command: str) -> dict[str, Any]:
    return {"exec": {"command": ["sh", "-c", command]}}


def starts(pod: Pod) -> dict[str, int]:
    return {name: state.started_at for name, state in pod.containers().items()}


@pytest.fixture(scope="module")
def listener(device: Device) -> Iterator[Listener]:
    with running_listener(device) as listener:
        yield listener


@pytest.fixture(scope="module")
def pod(device: Device, listener: Listener) -> Iterator[Pod]:
    """Run four containers: each has another kind of probe, and none has a program for it."""
    spec = {
        "containers": [
            container(
                "server",
                SERVER,
                ports=[{"name": "http", "containerPort": 8080}],
                livenessProbe=probe(httpGet={"path": "/health", "port": "http"}),
                readinessProbe=probe(tcpSocket={"host": ADDRESS, "port": PORT}),
            ),
            container(
                "side",
                f"{CONTEXT} >/dev/shm/own; exec httpd -f -p 8081 -h /dev/shm",
                env=[{"name": "GREETING", "value": "well met"}],
                workingDir="/dev/shm",
                securityContext={
                    "runAsUser": 1234,
                    "runAsGroup": 1235,
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                },
                livenessProbe=probe(tcpSocket={"port": 8081}),
                readinessProbe=probe(**shell(f"{CONTEXT} >/dev/shm/probe")),
            ),
            container(
                "main",
                readinessProbe=probe(**existing("/tmp/ready")),
                livenessProbe=probe(**shell("touch /export/early"), initialDelaySeconds=DAY),
            ),
            container(
                "slow",
                "trap 'exit 0' TERM; echo start >>/export/slow; sleep 86400 & wait",
                startupProbe=probe(**existing("/tmp/started"), failureThreshold=1000),
                livenessProbe=probe(**existing("/tmp/alive"), failureThreshold=1),
                readinessProbe=probe(**shell("echo >>/tmp/passes"), successThreshold=PASSES),
            ),
        ]
    }
    with device.running("probed", spec) as found:
        yield found


def test_a_pod_is_not_ready_before_its_probes_pass_and_says_which(pod: Pod) -> None:
    status = pod.wait_reason("ContainersNotReady")
    assert (status["status"], status["ready"]) == ("Running", False)
    causes = (
        "container \"main\" is not ready: readiness probe: command 'test': exit code 1",
        "container \"slow\" is not ready: startup probe: command 'test': exit code 1",
    )
    wait_until(lambda: pod.status["message"] in causes, 120)
    before = starts(pod)
    pod.sh("touch /tmp/alive /tmp/started", "slow")
    pod.sh("touch /tmp/ready")
    wait_until(lambda: pod.status.get("ready"), 120)
    assert int(pod.sh("wc -l </tmp/passes", "slow")) >= PASSES
    assert starts(pod) == before  # the startup probe kept the liveness probe waiting
    pod.sh("rm /tmp/ready")
    wait_until(lambda: pod.status.get("ready") is False, 120)
    pod.sh("touch /tmp/ready")
    wait_until(lambda: pod.status.get("ready"), 120)
    assert starts(pod) == before


def test_a_command_has_what_the_program_of_its_container_has(pod: Pod) -> None:
    own = pod.sh("cat /dev/shm/own", "side")
    assert "uid=1234" in own
    assert "GREETING=well met" in own
    assert pod.sh("cat /dev/shm/probe", "side").splitlines() == own.splitlines()


def test_a_liveness_probe_restarts_its_container_alone(pod: Pod, device: Device) -> None:
    before = starts(pod)
    pod.sh("rm /tmp/www/health", "server")
    wait_until(lambda: starts(pod)["server"] != before["server"] and pod.is_running(), 240)
    assert {**starts(pod), "server": 0} == {**before, "server": 0}
    message = (
        'container "server" failed its liveness probe: HTTP GET /health on port 8080: status 404'
    )
    status = pod.wait_reason("Unhealthy")
    assert status["message"] == message
    assert told(device, "probed") == [("Unhealthy", message)]


def test_a_worker_that_restarts_leaves_healthy_containers_alone_and_probes_again(
    pod: Pod, device: Device
) -> None:
    before = starts(pod)
    device.kill_worker()
    device.start_worker()
    wait_until(lambda: pod.status.get("ready"), 120)
    assert starts(pod) == before
    pod.sh("rm /tmp/ready")
    wait_until(lambda: pod.status.get("ready") is False, 120)
    assert starts(pod) == before
    assert pod.sh("ls /export") == "slow"  # the delay of a probe is not over


@pytest.fixture(scope="module")
def uneven(device: Device, listener: Listener) -> Iterator[Pod]:
    """Run containers that work, that exit as soon as they start, and that fail their probes."""
    question = {
        "scheme": "HTTPS",
        "host": ADDRESS,
        "port": TLS_PORT,
        "path": "/ready",
        "httpHeaders": [{"name": "Shop", "value": "open"}],
    }
    spec = {
        "restartPolicy": "OnFailure",
        "terminationGracePeriodSeconds": GRACE,
        "containers": [
            container("main", readinessProbe=probe(httpGet=question)),
            container("bad", f"test -e /export/well || {BAD_END}; {SLEEP}"),
            container(
                "polite",
                SLEEP,
                securityContext={"privileged": True},
                livenessProbe=probe(**existing("/dev/null/no"), failureThreshold=3),
                lifecycle={"preStop": {"exec": {"command": ["touch", "/export/hook-ran"]}}},
            ),
            container(
                "stubborn",
                # A first process ignores SIGTERM unless it handles it.
                f"mkdir /export/begun && exec sleep 86400; touch /tmp/well; {SLEEP}",
                livenessProbe=probe(**existing("/tmp/well"), terminationGracePeriodSeconds=1),
            ),
        ],
    }
    with device.deployed("uneven", spec) as found:
        wait_until(lambda: found.containers().get("main"), 120)
        yield found


def test_a_container_in_a_crash_loop_is_paused_alone(uneven: Pod, device: Device) -> None:
    status = uneven.wait_reason("CrashLoopBackOff", 300)
    assert status["status"] == "Degraded"
    exited = 'container "bad" exited with code 3'
    sentence = f"{exited}; its log ends with: begin | no key"
    assert status["message"] == sentence
    # On a busy device, a heartbeat may overtake the journal, which has no log yet.
    assert messages(device, "uneven") <= {sentence, exited}
    main = starts(uneven)["main"]
    wait_until(lambda: 'container "bad" crashes in a loop; it is held' in device.journal(), 300)
    wait_until(lambda: uneven.containers()["bad"].state == "exited", 120)
    device.host.sh(f"touch {device.export('uneven')}/well")
    wait_until(lambda: uneven.containers()["bad"].state == "running", 120)
    assert starts(uneven)["main"] == main
    # What the worker starts has its restrictions no more than what the unit has started.
    assert restrictions(device, uneven, "bad") == restrictions(device, uneven, "main")


def messages(device: Device, workload: str) -> set[str]:
    found = [
        status["message"]
        for beat in device.control.heartbeats()
        for status in beat.get("workloads") or []
        if status["name"] == workload and 'container "bad" exited' in status.get("message", "")
    ]
    return set(found)


def restrictions(device: Device, pod: Pod, name: str) -> str:
    monitor = pod.inspect(name)["State"]["ConmonPid"]
    return device.host.sh(f"grep -E '^(CapBnd|NoNewPrivs|Seccomp)' /proc/{monitor}/status")


def test_what_a_probe_ended_starts_again_under_on_failure_though_it_exited_with_0(
    uneven: Pod, device: Device
) -> None:
    before = starts(uneven)["polite"]
    wait_until(lambda: starts(uneven)["polite"] != before, 300)
    assert uneven.sh("ls /export/hook-ran")
    ends = ("--filter", "container=uneven-polite", "--filter", "event=died")
    codes = device.host.run(
        *("podman", "events", "--stream=false", *ends, "--format", "{{.ContainerExitCode}}")
    )
    assert set(codes.split()) == {"0"}


def test_a_probe_may_have_a_grace_period_of_its_own(uneven: Pod) -> None:
    wait_until(lambda: uneven.sh("ls /tmp/well", "stubborn", check=False), GRACE / 2)


def test_a_request_is_made_as_the_probe_says(uneven: Pod, listener: Listener) -> None:
    wait_until(lambda: "HTTPS /ready open" in listener.requests(), 120)


@pytest.mark.deep
def test_the_only_container_of_a_pod_is_restarted_with_it_for_a_cause_that_stays_the_same(
    device: Device,
) -> None:
    spec = {
        "terminationGracePeriodSeconds": 1,
        "containers": [container(livenessProbe=probe(**existing("/no")))],
    }
    message = "container \"main\" failed its liveness probe: command 'test': exit code 1"
    with device.running("ailing", spec) as ailing:
        assert ailing.wait_reason("Unhealthy")["message"] == message
        wait_until(lambda: len(told(device, "ailing")) > 1, 300)
        assert set(told(device, "ailing")) == {("Unhealthy", message)}


def told(device: Device, workload: str) -> list[tuple[str, str]]:
    return [
        (event["reason"], event["message"])
        for event in device.control.events()
        if event["workload"] == workload
    ]


def test_a_pod_on_the_network_of_the_host_is_probed_there_by_grpc_too(device: Device) -> None:
    unit = "--unit=health --setenv=PYTHONPATH=$(systemctl show -P Environment" + (
        " flotta-device-worker | tr ' ' '\\n' | sed -n s/^PYTHONPATH=//p)"
    )
    device.host.write("/root/health.py", HEALTH_SERVER)
    device.host.sh(f"systemd-run {unit} /usr/bin/python3 /root/health.py")
    spec = {
        "hostNetwork": True,
        "containers": [
            container(readinessProbe=probe(grpc={"port": 50051, "service": "shop.Till"})),
            container("open", readinessProbe=probe(tcpSocket={"port": 50051})),
            container(
                "strong",
                securityContext={"privileged": True},
                readinessProbe=probe(exec={"command": ["true"]}),
            ),
        ],
    }
    try:
        with device.running("outward", spec) as outward:
            assert ADDRESS in outward.sh("ip address show eth0")
            wait_until(lambda: outward.status.get("ready"), 120)
            device.host.sh("systemctl stop health")
            status = outward.wait_reason("ContainersNotReady")
            assert status["message"] in (
                'container "main" is not ready: readiness probe:'
                " gRPC health of 'shop.Till' on port 50051: connection refused",
                'container "open" is not ready: readiness probe:'
                " TCP connection to port 50051: connection refused",
            )
    finally:
        device.host.sh("systemctl stop health", check=False)
