"""What podman does by itself with the fields of a pod, and the worker leaves as it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pods.device import Device
from pods.pod import Pod, container


@pytest.fixture(scope="module")
def pod(device: Device) -> Iterator[Pod]:
    with device.running("given", {"containers": [container()]}) as pod:
        yield pod


def test_the_device_id_is_in_the_environment(pod: Pod) -> None:
    assert pod.sh("echo $DEVICE_ID") == "edge-1"
