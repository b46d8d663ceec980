"""`imagePullSecrets`, with a registry on the device that asks for a password."""

from __future__ import annotations

import json

from pods.device import Device
from pods.pod import container
from pods.registry import PLACE, running_registry

USER, PASSWORD = "bert", "s3cr:t"


def test_the_credentials_of_the_pod_are_used(device: Device) -> None:
    entry = {"username": USER, "password": PASSWORD}
    config = json.dumps({"auths": {f"http://{PLACE}/v2/": entry}})
    with running_registry(device, f"{USER}:{PASSWORD}") as image:
        spec = {
            "containers": [container(image=image, imagePullPolicy="Always")],
            "imagePullSecrets": [{"name": "pull"}],
        }
        with device.deployed("private", spec) as pod:
            message = pod.wait_reason("ImagePullFailed")["message"]
            assert 'imagePullSecrets: Secret "pull" does not exist' in message
            device.update("private", spec, secrets={"pull": {".dockerconfigjson": config}})
            assert pod.inspect()["ImageName"] == image
    assert PASSWORD not in device.journal()
