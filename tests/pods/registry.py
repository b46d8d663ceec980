"""A registry of images on a device, by python3's own server: read-only.

with running_registry(device) as name:  # `name` is that of an image in it
    device.run("web", {"containers": [container(image=name, imagePullPolicy="IfNotPresent")]})
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator

from pods.device import Device
from pods.host import ADDRESS
from pods.materials import IMAGE

PORT = 5000
PLACE = f"{ADDRESS}:{PORT}"
UNIT = "flotta-test-registry"
FOLDER = "/srv/registry"
SERVER = """\
import http.server, pathlib, sys

FOLDER = pathlib.Path("/srv/registry")
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
ALLOWED = sys.argv[1]

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if ALLOWED and self.headers["Authorization"] != ALLOWED:
            return self.reply(401, b"", ("WWW-Authenticate", 'Basic realm="x"'))
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
def running_registry(device: Device, credentials: str = "") -> Iterator[str]:
    """Serve the sample image under another name until the block is left; yield that name.

    With `credentials`, `user:password`, the registry asks for them.
    """
    host = device.host
    allowed = credentials and f"Basic {base64.b64encode(credentials.encode()).decode()}"
    host.write(f"{FOLDER}.py", SERVER % PORT)
    host.write(
        "/etc/containers/registries.conf.d/test.conf",
        f'[[registry]]\nlocation = "{PLACE}"\ninsecure = true\n',
    )
    host.sh(
        f"podman push --quiet --format v2s2 {IMAGE} dir:{FOLDER}"
        f" && systemd-run --quiet --unit={UNIT} python3 {FOLDER}.py '{allowed}'"
        f" && until ss -tln | grep -q :{PORT}; do sleep 0.1; done"
    )
    try:
        yield f"{PLACE}/shop/app:1"
    finally:
        host.sh(f"systemctl stop {UNIT}; rm -r {FOLDER} {FOLDER}.py", check=False)
