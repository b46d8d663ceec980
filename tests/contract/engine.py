"""The embedded engine as a process."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flotta.apiserver.pki import render_kubeconfig
from flotta.apiserver.storage.checksums import checksum_row
from flotta.identity.authority import Authority
from servers.ports import free_port
from waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
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
        self.environment: dict[str, str] = {}
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
            [*self._program(name), *arguments],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            env={**os.environ, **self.environment},
        )

    def _program(self, name: str) -> list[str]:
        pki = str(self.folder / "pki")
        return [sys.executable, "-m", "flotta.cli.apiserver", name, "--pki-dir", pki]

    def go_back(self) -> str:
        """Prepare the database of the stopped server for the release before; return the output."""
        program = [sys.executable, "-m", "flotta.cli.apiserver", "go-back"]
        done = subprocess.run(
            [*program, "--database", str(self.database)], capture_output=True, text=True, check=True
        )
        return done.stdout

    def start(self, *arguments: str) -> None:
        """Start the server and wait until it reports that it is ready."""
        path = self.folder / "notify.sock"
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(path))
            listen = ["--listen", f"127.0.0.1:{self.port}", "--database", str(self.database)]
            with (self.folder / "log").open("ab") as log:
                self.process = subprocess.Popen(
                    [*self._program("serve"), *listen, *arguments],
                    stderr=log,
                    env={**os.environ, **self.environment, "NOTIFY_SOCKET": str(path)},
                )
            notify.settimeout(0.2)
            wait_until(lambda: self._is_ready(notify), seconds=TIMEOUT)

    def _is_ready(self, notify: socket.socket) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        try:
            return notify.recv(100) == b"READY=1"
        except TimeoutError:
            return False

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Open the database of the stopped server, and commit at the end."""
        connection = sqlite3.connect(self.database)
        try:
            with connection:
                yield connection
        finally:
            connection.close()

    def change_stored(self, name: str, old: str, new: str, *, honest: bool = True) -> None:
        """Replace a text in a stored object; if not `honest`, its checksum stays as it was."""
        with self.connection() as connection:
            connection.create_function("checksum_row", -1, checksum_row)
            connection.execute(
                "UPDATE objects SET body = CAST(replace(CAST(body AS TEXT), ?, ?) AS BLOB) "
                "WHERE name = ?",
                (old, new, name),
            )
            if honest:
                connection.execute(
                    "UPDATE objects SET checksum = "
                    "checksum_row(resource, namespace, name, version, body) WHERE name = ?",
                    (name,),
                )

    def refusal(self) -> subprocess.CompletedProcess[str]:
        """Start the server, which must end by itself."""
        database = str(self.database)
        return self.command("serve", "--database", database, "--listen", "127.0.0.1:0")

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
