"""The embedded engine as a process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

from flotta.apiserver.pki import render_kubeconfig
from flotta.identity.authority import Authority
from servers.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TIMEOUT = 60.0  # seconds: on a busy machine any program may pause for a while


class Engine:
    """One `flotta-apiserver` with its files below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.server = f"https://127.0.0.1:{self.port}"
        self.database = folder / "state.db"
        self.process: subprocess.Popen[bytes] | None = None
        self._initialize()

    def _initialize(self) -> None:
        done = self.command(
            "init", "--kubeconfig-dir", str(self.folder / "kubeconfig"), "--server", self.server
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {"changed": True}

    def command(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a subcommand until it ends."""
        return subprocess.run(
            [*self._program(name), *arguments], capture_output=True, text=True, timeout=TIMEOUT
        )

    def _program(self, name: str) -> list[str]:
        pki = str(self.folder / "pki")
        return [sys.executable, "-m", "flotta.cli.apiserver", name, "--pki-dir", pki]

    def start(self, *arguments: str) -> None:
        """Start the server and wait until it reports that it is ready."""
        path = self.folder / "notify.sock"
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(path))
            notify.settimeout(TIMEOUT)
            listen = ["--listen", f"127.0.0.1:{self.port}", "--database", str(self.database)]
            with (self.folder / "log").open("ab") as log:
                self.process = subprocess.Popen(
                    [*self._program("serve"), *listen, *arguments],
                    stderr=log,
                    env={**os.environ, "NOTIFY_SOCKET": str(path)},
                )
            assert notify.recv(100) == b"READY=1", self.log

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the server by a signal; returns its exit status."""
        if self.process is None:
            return 0
        process, self.process = self.process, None
        process.send_signal(number)
        return process.wait(timeout=TIMEOUT)

    def kubeconfig(self, user: str, groups: Sequence[str] | None = None) -> Path:
        """Return the kubeconfig of a component or, with groups, of a user made for the test."""
        path = self.folder / "kubeconfig" / f"{user}.kubeconfig"
        if groups is not None:
            pair = self.authority().issue_client(user, groups)
            path.write_bytes(
                render_kubeconfig(self.server, self.authority().certificate_pem, user, pair)
            )
        return path

    def authority(self) -> Authority:
        pki = self.folder / "pki"
        return Authority.from_pem((pki / "ca.crt").read_bytes(), (pki / "ca.key").read_bytes())
