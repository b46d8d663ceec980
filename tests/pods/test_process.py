"""What a process is started with, and what happens at its start and before its end."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from pods.control import DEVICE_ID
from pods.device import Device
from pods.host import ADDRESS, LIMIT
from pods.listener import PORT, TLS_PORT, Listener, running_listener
from pods.materials import IMAGE
from pods.pod import Pod, container
from waiting import wait_until

NAME = "process"
STUBBORN = "trap 'echo got-TERM >> /export/end; exit 0' TERM; while :; do sleep 1; done"


def field(name: str, path: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def resource(name: str, wanted: str, **reference: Any) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"resourceFieldRef": {"resource": wanted, **reference}}}


# What systemd, a shell, YAML or JSON could take for something else.
TEXT = "%n 100% ${HOME} $HOME 'one' \"two\" \\t\tcafé \u2028 \x7f \U0001f600\n- last: #line "
MAIN = container(
    script=f'echo $0 > /tmp/argument; printf %s "$1" > /tmp/text; {STUBBORN}',
    args=["$(GREETING) $$(WHO) $(NOBODY)", TEXT],
    env=[
        {"name": "WHO", "value": "bert"},
        {"name": "TEXT", "value": TEXT},
        {"name": "GREETING", "value": "hello-$(WHO)-$$(WHO)"},
        field("POD", "metadata.name"),
        field("NAMESPACE", "metadata.namespace"),
        field("UID_OF_POD", "metadata.uid"),
        field("TIER", "metadata.labels['tier']"),
        field("NOTE", "metadata.annotations['note']"),
        field("NODE", "spec.nodeName"),
        field("POD_IP", "status.podIP"),
        field("HOST_IP", "status.hostIP"),
        {"name": "URL", "value": "http://$(POD_IP):8080/"},
        resource("MEMORY", "limits.memory", divisor="1Mi"),
        resource("CPUS", "limits.cpu"),
    ],
    resources={"limits": {"memory": "64Mi"}},
    lifecycle={
        "postStart": {"exec": {"command": ["sh", "-c", "echo started-by-$WHO > /export/start"]}},
        "preStop": {"exec": {"command": ["sh", "-c", "echo stopping >> /export/end"]}},
    },
)
ASKING = container(
    "asking",
    ports=[{"name": "listener", "containerPort": PORT}],
    lifecycle={
        "postStart": {
            "httpGet": {
                "host": ADDRESS,
                "port": "listener",
                "path": "/started",
                "httpHeaders": [{"name": "Shop", "value": "open"}],
            }
        },
        "preStop": {
            "httpGet": {
                "host": ADDRESS,
                "port": TLS_PORT,
                "path": "/stopping",
                "scheme": "HTTPS",
                "httpHeaders": [{"name": "Shop", "value": "closed"}],
            }
        },
    },
)
PAUSE = 4  # seconds: more than a unit takes for everything else on an idle machine
NOW = "date +%s"  # whole seconds: differences that are at least PAUSE stay so
WAITING = container(
    "waiting",
    f"trap '{NOW} >/export/ended; exit 0' TERM; sleep 86400 & wait",
    lifecycle={hook: {"sleep": {"seconds": PAUSE}} for hook in ("postStart", "preStop")},
)
SPEC = {"containers": [MAIN, ASKING, WAITING], "terminationGracePeriodSeconds": 60}


@pytest.fixture(scope="module")
def listener(device: Device) -> Iterator[Listener]:
    with running_listener(device) as listener:
        yield listener


@pytest.fixture(scope="module")
def pod(device: Device, listener: Listener) -> Iterator[Pod]:
    texts = {"labels": {"tier": "front"}, "annotations": {"note": "it's new"}}
    with device.running(NAME, SPEC, **texts) as pod:
        state = ("systemctl", "is-active", pod.unit)  # it is when the hooks have run
        wait_until(lambda: device.host.run(*state, check=False) == "active\n", LIMIT)
        yield pod


@dataclass(frozen=True)
class Restart:
    """When systemd restarted the unit while the worker was stopped: seconds since 1970."""

    began: int
    ended: int


@pytest.fixture(scope="module")
def restart(device: Device, pod: Pod) -> Restart:
    with device.without_worker():
        began = int(device.host.sh(NOW))
        device.host.run("systemctl", "restart", pod.unit, seconds=300)
        return Restart(began, int(device.host.sh(NOW)))


def variables(pod: Pod) -> dict[str, str]:
    lines = pod.sh("env").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def test_variables_refer_to_others_and_commands_to_variables(pod: Pod) -> None:
    assert variables(pod)["GREETING"] == "hello-bert-$(WHO)"
    assert pod.sh("cat /tmp/argument") == "hello-bert-$(WHO) $(WHO) $(NOBODY)"


def test_every_character_arrives(pod: Pod) -> None:
    assert pod.sh("cat /tmp/text") == TEXT
    assert pod.sh('printf %s "$TEXT"') == TEXT


def test_a_pod_is_told_about_itself_and_its_device(pod: Pod) -> None:
    found = variables(pod)
    assert (found["POD"], found["NAMESPACE"], found["NODE"]) == (NAME, "default", DEVICE_ID)
    assert (found["TIER"], found["NOTE"]) == ("front", "it's new")
    assert uuid.UUID(found["UID_OF_POD"]).version == 5
    assert found["MEMORY"] == "64"
    assert int(found["CPUS"]) >= 1


def test_the_addresses_are_those_that_pod_and_host_have(device: Device, pod: Pod) -> None:
    found = variables(pod)
    assert found["HOST_IP"] == ADDRESS
    assert found["POD_IP"] in pod.sh("ip -4 address show")
    assert found["URL"] == f"http://{found['POD_IP']}:8080/"


def test_the_hook_has_run_when_the_unit_is_started(pod: Pod) -> None:
    assert pod.sh("cat /export/start") == "started-by-bert"


def test_a_restart_runs_the_hooks_without_the_worker_and_finds_an_address(
    pod: Pod, restart: Restart
) -> None:
    assert pod.sh("cat /export/end").split() == ["stopping", "got-TERM"]
    assert pod.sh("cat /export/start") == "started-by-bert"
    assert variables(pod)["POD_IP"] in pod.sh("ip -4 address show")


def test_hooks_may_ask_a_server(listener: Listener, restart: Restart) -> None:
    assert listener.requests() == [
        "HTTP /started open",
        "HTTPS /stopping closed",
        "HTTP /started open",
    ]


def test_hooks_may_wait(pod: Pod, restart: Restart) -> None:
    assert int(pod.sh("cat /export/ended")) - restart.began >= PAUSE
    assert restart.ended - pod.containers()["waiting"].started_at >= PAUSE


MUST_NOT: dict[str, Any] = {"securityContext": {"runAsNonRoot": True}}


@pytest.mark.parametrize(
    "spec",
    [
        {"containers": [container()], **MUST_NOT},
        {"containers": [container(**MUST_NOT)], "securityContext": {"runAsNonRoot": False}},
    ],
    ids=["pod", "container"],
)
def test_an_image_of_root_does_not_run_where_it_must_not(
    device: Device, spec: dict[str, Any]
) -> None:
    with device.deployed("rootless", spec) as pod:
        status = pod.wait_reason("CreateContainerConfigError")
        assert status["message"] == (
            f'container "main" has runAsNonRoot and image {IMAGE} runs as root'
        )
        assert not pod.containers()


@pytest.mark.deep
def test_an_image_that_became_one_of_root_does_not_start_without_the_worker(device: Device) -> None:
    image = "localhost/changing:1"
    build_image(device, image, "1000")
    spec = {"containers": [container(image=image)], "securityContext": {"runAsNonRoot": True}}
    with device.running("changing", spec) as pod:
        assert pod.sh("id -u") == "1000"
        build_image(device, image, "0")
        with device.without_worker():
            device.host.run("systemctl", "restart", pod.unit, check=False)
            assert not pod.is_running()
        message = pod.wait_reason("CreateContainerConfigError")["message"]
        assert message == f'container "main" has runAsNonRoot and image {image} runs as root'
        build_image(device, image, "1000")
        wait_until(pod.is_running, LIMIT, pause=0.5)


def build_image(device: Device, image: str, user: str) -> None:
    """Make an image of a user on the device."""
    file = f"FROM {IMAGE}\nUSER {user}\n"
    device.host.run(*f"podman build -q --pull=never -t {image} -f - /srv".split(), stdin=file)
