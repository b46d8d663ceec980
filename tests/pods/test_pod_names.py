"""Names of pods that podman, systemd or the kernel could have trouble with."""

from __future__ import annotations

import pytest

from pods.device import Device
from pods.pod import container

pytestmark = pytest.mark.deep  # names alone differ from what other tests start
LONGEST = f"{'a' * 63}.{'b' * 36}"  # 100 characters, as many as a device takes


def test_a_name_with_which_the_id_of_another_pod_begins(device: Device) -> None:
    spec = {"containers": [container()]}
    with device.running("other", spec) as other:
        template = ("--no-trunc", "--format", "{{.Id}}", "--filter", "name=^other$")
        name = device.host.run("podman", "pod", "ps", *template)[:3]
        before = other.containers()
        pod = device.run(name, spec)
        assert other.containers() == before
        device.host.sh(f"podman pod rm -f {name} && systemctl stop '{pod.unit}'", check=False)
        assert other.containers() == before
        device.remove(name)
        assert other.containers() == before


def test_the_longest_names_with_everything_that_a_unit_does(device: Device) -> None:
    name = "c" * 63
    address = {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    hook = {"exec": {"command": ["touch", "/export/started"]}}
    main = container(name, env=[address], lifecycle={"postStart": hook})
    spec = {"initContainers": [container("i" * 63, "touch /export/init")], "containers": [main]}
    with device.running(LONGEST, spec) as pod:
        assert pod.sh("hostname", name) == LONGEST[:63]
        assert pod.sh("ls /export", name).split() == ["init", "started"]
        assert pod.sh("echo $IP", name) in pod.sh("ip -4 address show", name)
