"""A registry of images on a device, by python3's own server: read-only, without a password.

with running_registry(device) as name:  # `name` is that of an image in it
    device.run("web", {"containers": [container(image=name, imagePullPolicy="IfNotPresent")]})
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pods.device import Device
from pods.host import ADDRESS
from pods.materials import IMAGE

PORT = 5000
UNIT = "flotta-test-registry"
FOLDER = "/srv/registry"
REPOSITORY = f"{ADDRESS}:{PORT}/shop/app"
SERVER = """\
import http.server, pathlib

FOLDER = pathlib.Path("/srv/registry")
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if "/manifests/" in self.path:
            kind = ("Content-Type", MANIFEST)
            return self.reply(200, (FOLDER / "manifest.json").read_bytes(), kind)
        if "/blobs/" in self.path:
            return self.reply(200, (FOLDER / self.path.rpartition(":")[2]).read_bytes())
        self.reply(200, b"{}")

    do_HEAD = do_GET

    def reply(self, status, content, *headers):
        self.send_response(status)
        for header in (*headers, ("Content-Length", str(len(content)))):
            self.send_header(*header)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

http.server.ThreadingHTTPServer(("", %d), Handler).serve_forever()
"""


@contextlib.contextmanager
def running_registry(device: Device) -> Iterator[str]:
    """Serve the sample image under another name until the block is left; yield that name."""
    host = device.host
    host.write(f"{FOLDER}.py", SERVER % PORT)
    host.write(
        "/etc/containers/registries.conf.d/test.conf",
        f'[[registry]]\nlocation = "{ADDRESS}:{PORT}"\ninsecure = true\n',
    )
    host.sh(
        f"podman push --quiet --format v2s2 {IMAGE} dir:{FOLDER}"
        f" && systemd-run --quiet --unit={UNIT} python3 {FOLDER}.py"
        f" && until ss -tln | grep -q :{PORT}; do sleep 0.1; done"
    )
    try:
        yield f"{REPOSITORY}:1"
    finally:
        host.sh(f"systemctl stop {UNIT}; rm -r {FOLDER}", check=False)
