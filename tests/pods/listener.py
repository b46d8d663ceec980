"""A web server on a device, with and without TLS, that notes what it is asked.

with running_listener(device) as listener:
    ...
    assert "HTTP /hello yes" in listener.requests()  # scheme, path and the header `Shop`
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pods.device import Device

PORT, TLS_PORT = 8099, 8100
UNIT = "flotta-test-listener"
FOLDER = "/srv/listener"
SERVER = f"""\
import http.server, ssl, threading

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        scheme = "HTTPS" if isinstance(self.connection, ssl.SSLSocket) else "HTTP"
        with open("{FOLDER}/requests", "a") as log:
            print(scheme, self.path, self.headers["Shop"], file=log)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

plain = http.server.ThreadingHTTPServer(("", {PORT}), Handler)
threading.Thread(target=plain.serve_forever).start()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("{FOLDER}/server.pem")
secured = http.server.ThreadingHTTPServer(("", {TLS_PORT}), Handler)
secured.socket = context.wrap_socket(secured.socket, server_side=True)
secured.serve_forever()
"""
CERTIFICATE = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1"
    f" -subj /CN=other.example -keyout {FOLDER}/key.pem -out {FOLDER}/certificate.pem 2>&1"
    f" && cat {FOLDER}/key.pem {FOLDER}/certificate.pem >{FOLDER}/server.pem"
)


class Listener:
    """The server on one device."""

    def __init__(self, device: Device) -> None:
        self._host = device.host

    def requests(self) -> list[str]:
        """Return scheme, path and the header `Shop` of each request, oldest first."""
        return self._host.sh(f"cat {FOLDER}/requests", check=False).splitlines()


@contextlib.contextmanager
def running_listener(device: Device) -> Iterator[Listener]:
    """Let the server answer everything with 200 until the block is left."""
    device.host.write(f"{FOLDER}/server.py", SERVER)
    device.host.sh(
        f"{CERTIFICATE} && systemd-run --quiet --unit={UNIT} python3 {FOLDER}/server.py"
        f" && until ss -tln | grep -q :{TLS_PORT}; do sleep 0.1; done"
    )
    try:
        yield Listener(device)
    finally:
        device.host.sh(f"systemctl stop {UNIT}; rm -r {FOLDER}", check=False)
