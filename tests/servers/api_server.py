"""A real Kubernetes API: etcd, kube-apiserver and kube-controller-manager on the loopback, RBAC on.

    api = KubernetesApi(folder)
    api.start()
    api.kubeconfig("admin", ["system:masters"])     # a file, with a client certificate
    api.stop()

The programs come from scripts/test_servers.sh.
"""

from __future__ import annotations

import base64
import json
import signal
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from flotta.identity.authority import Authority
from flotta.identity.keys import new_key
from servers.ports import free_port
from waiting import NotInTimeError, wait_until

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
SERVICES = "10.0.0.0/24"  # the first address is that of the service `kubernetes`
START_SECONDS = 120.0
MASTERS = "system:masters"


def programs() -> Path:
    """Return the folder with the servers; build them if they do not exist yet (minutes)."""
    script = SCRIPTS / "test_servers.sh"
    done = subprocess.run([str(script), "api"], stdout=subprocess.PIPE, text=True, check=True)
    return Path(done.stdout.strip())


class KubernetesApi:
    """One API server with an etcd of its own; its files are below `folder`.

    `options` are additional arguments of kube-apiserver.
    """

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        self.folder = folder
        self._options = options
        self.port = free_port()
        self.server = f"https://127.0.0.1:{self.port}"
        self._etcd_address = f"http://127.0.0.1:{free_port()}"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._authority = Authority.create("kubernetes-ca")
        folder.mkdir(parents=True, exist_ok=True)
        self._write_keys()

    def start(self) -> None:
        """Start all three; return when the API server reports that it is ready."""
        self._binaries = programs()
        self._start("etcd", self._etcd())
        self._wait(
            f"{self._etcd_address}/health"
        )  # the API server stops waiting for it after a while
        self._start("kube-apiserver", self._api_server())
        self._wait(f"{self.server}/readyz")
        self._start("kube-controller-manager", self._controller_manager())

    def stop(self) -> None:
        """Stop all three, each before what it depends on: open watches delay their server."""
        for name in ("kube-controller-manager", "kube-apiserver", "etcd"):
            if name in self._processes:
                self.kill(name, signal.SIGTERM)

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Stop one of the programs with a signal."""
        process = self._processes.pop(name)
        process.send_signal(number)
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def restart_api_server(self) -> None:
        """Kill the API server and start it again on the same data."""
        self.kill("kube-apiserver")
        self._start("kube-apiserver", self._api_server())
        self._wait(f"{self.server}/readyz")

    def restart_controllers(self) -> None:
        """Restart the controllers: garbage collection looks for new kinds only twice a minute."""
        self.kill("kube-controller-manager")
        self._start("kube-controller-manager", self._controller_manager())

    def log(self, name: str = "kube-apiserver") -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def kubeconfig(self, user: str = "admin", groups: Sequence[str] | None = None) -> Path:
        """Return a kubeconfig for a user; without groups, admin belongs to system:masters."""
        if groups is None:
            groups = [MASTERS] if user == "admin" else []
        pair = self._authority.issue_client(user, groups)
        path = self.folder / f"{user.replace(':', '_')}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(json.dumps(self._access(user, pair.certificate, pair.key)))
        return path

    def _access(self, user: str, certificate: bytes, key: bytes) -> object:
        def text(pem: bytes) -> str:
            return base64.b64encode(pem).decode()

        cluster = {
            "server": self.server,
            "certificate-authority-data": text(self._authority.certificate_pem),
        }
        secrets = {"client-certificate-data": text(certificate), "client-key-data": text(key)}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": user, "user": secrets}],
        }

    def _write_keys(self) -> None:
        server = self._authority.issue_server(["localhost", "127.0.0.1", "10.0.0.1"])
        files = {
            "ca.crt": self._authority.certificate_pem,
            "server.crt": server.certificate,
            "server.key": server.key,
            "accounts.key": _account_key(),
        }
        for name, content in files.items():
            path = self.folder / name
            path.touch(mode=0o600)
            path.write_bytes(content)

    def _start(self, program: str, arguments: list[str]) -> None:
        with (self.folder / f"{program}.log").open("ab") as log:
            self._processes[program] = subprocess.Popen(
                [str(self._binaries / program), *arguments], stdout=log, stderr=log
            )

    def _etcd(self) -> list[str]:
        return [
            f"--data-dir={self.folder / 'etcd'}",
            "--unsafe-no-fsync",
            f"--listen-client-urls={self._etcd_address}",
            f"--advertise-client-urls={self._etcd_address}",
            "--listen-peer-urls=http://127.0.0.1:0",
            "--log-level=warn",
        ]

    def _api_server(self) -> list[str]:
        return [
            f"--etcd-servers={self._etcd_address}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--tls-cert-file={self.folder / 'server.crt'}",
            f"--tls-private-key-file={self.folder / 'server.key'}",
            f"--client-ca-file={self.folder / 'ca.crt'}",
            f"--service-account-key-file={self.folder / 'accounts.key'}",
            f"--service-account-signing-key-file={self.folder / 'accounts.key'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-cluster-ip-range={SERVICES}",
            "--authorization-mode=RBAC",
            # Our programs must also work with what a careful administrator enables.
            "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
            "--endpoint-reconciler-type=none",
            f"--cert-dir={self.folder}",
            *self._options,
        ]

    def _controller_manager(self) -> list[str]:
        return [
            f"--kubeconfig={self.kubeconfig('controller-manager', [MASTERS])}",
            f"--service-account-private-key-file={self.folder / 'accounts.key'}",
            f"--root-ca-file={self.folder / 'ca.crt'}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            "--secure-port=0",
        ]

    def _wait(self, url: str) -> None:
        """Wait until a program responds with 200 at a URL; all of them must be running."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))

        def responds() -> bool:
            dead = [name for name, process in self._processes.items() if process.poll() is not None]
            assert not dead, f"{dead[0]} ended: {self.log(dead[0])[-2000:]}"
            return _responds(url, context)

        try:
            wait_until(responds, START_SECONDS)
        except NotInTimeError as error:
            raise AssertionError(f"{url} is not ready: {self._last_log()[-2000:]}") from error

    def _last_log(self) -> str:
        return self.log(list(self._processes)[-1])


def _responds(url: str, context: ssl.SSLContext) -> bool:
    try:
        with urllib.request.urlopen(  # noqa: S310 - our own address
            url, context=context, timeout=15
        ) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _account_key() -> bytes:
    """Return a new key for service account tokens; Kubernetes reads only the SEC 1 form."""
    return new_key().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
