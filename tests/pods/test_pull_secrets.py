"""`imagePullSecrets`, with a registry on the device that asks for a password."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from pods.device import Device
from pods.materials import IMAGE
from pods.pod import container

pytestmark = pytest.mark.deep  # podman's own part is large; ours has unit tests
REGISTRY = "127.0.0.1:5000"
SERVER = """
import base64, http.server, json, pathlib
FILES = pathlib.Path("/srv/registry/blobs/sha256")
INDEX = json.loads((FILES.parents[1] / "index.json").read_text())
MANIFEST = INDEX["manifests"][0]["digest"].split(":")[1]
ALLOWED = "Basic " + base64.b64encode(b"bert:s3cr:t").decode()

class Registry(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.headers["Authorization"] != ALLOWED:
            return self.answer(401, b"")
        _, kind, name = ("/" + self.path).rsplit("/", 2)
        if kind == "manifests":
            name = MANIFEST
        file = FILES / name.split(":")[-1]
        self.answer(200, file.read_bytes() if name and file.exists() else b"{}")
    do_HEAD = do_GET
    def answer(self, status, body):
        self.send_response(status)
        self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.send_header("Content-Type", "application/vnd.oci.image.manifest.v1+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

http.server.ThreadingHTTPServer(("127.0.0.1", 5000), Registry).serve_forever()
"""


@pytest.fixture
def registry(device: Device) -> Iterator[str]:
    device.host.write("/srv/registry.py", SERVER)
    device.host.write(
        "/etc/containers/registries.conf.d/tests.conf",
        f'[[registry]]\nlocation = "{REGISTRY}"\ninsecure = true\n',
    )
    device.host.sh(f"podman save --quiet --format oci-dir -o /srv/registry {IMAGE}")
    device.host.sh("systemd-run --quiet --unit=registry python3 /srv/registry.py")
    yield f"{REGISTRY}/private/app:1"
    device.host.sh("systemctl stop registry; rm -r /srv/registry*")


def test_the_credentials_of_the_pod_are_used(device: Device, registry: str) -> None:
    spec = {"containers": [container(image=registry, imagePullPolicy="Always")]}
    named = {**spec, "imagePullSecrets": [{"name": "pull"}]}
    pod = device.deploy("private", named)
    message = pod.wait_reason("ImagePullFailed")["message"]
    assert 'imagePullSecrets: Secret "pull" does not exist' in message
    entry = {"username": "bert", "password": "s3cr:t"}
    config = json.dumps({"auths": {f"http://{REGISTRY}/v2/": entry}})
    pod = device.update("private", named, secrets={"pull": {".dockerconfigjson": config}})
    assert pod.inspect()["ImageName"] == registry
    assert "s3cr" not in device.journal()
    device.remove("private")
