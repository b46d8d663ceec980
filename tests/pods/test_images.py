"""Images that the worker pulls, from a registry with a password."""

from __future__ import annotations

import base64
import json

import pytest

from pods.device import Device
from pods.materials import IMAGE
from pods.pod import container
from pods.registry import PASSWORD, REPOSITORY, USER, running_registry
from waiting import wait_until


def credentials(password: str) -> dict[str, str]:
    auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
    auths = {REPOSITORY.partition("/")[0]: {"auth": auth}}
    return {".dockerconfigjson": json.dumps({"auths": auths})}


@pytest.mark.deep
def test_an_image_is_pulled_with_the_secrets_of_the_pod(device: Device) -> None:
    with running_registry(device, is_open=False) as image:
        spec = {
            "containers": [container(image=image, imagePullPolicy="IfNotPresent")],
            "imagePullSecrets": [{"name": "absent"}, {"name": "pull"}],
            "terminationGracePeriodSeconds": 1,
        }
        pod = device.deploy("pulled", spec, secrets={"pull": credentials("wrong")})
        try:
            status = pod.wait_reason("ImagePullFailed")
            assert image in status["message"]
            assert "wrong" not in status["message"]
            device.deploy("pulled", spec, secrets={"pull": credentials(PASSWORD)})
            wait_until(pod.is_running, 120)
            assert pod.inspect()["ImageName"] == image
        finally:
            device.remove("pulled")
    listed = "podman images --format '{{.Repository}}:{{.Tag}}'"
    assert {image, IMAGE} <= set(device.host.sh(listed).split())
