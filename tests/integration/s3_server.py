"""A real `flotta-s3 serve` on a free port, as a child process, for tests."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from flotta.identity.authority import Authority
from flotta.storage.access_keys import AccessKey
from flotta.storage.administrator import ensure_administrator, read_administrator
from flotta.storage.settings import StorageSettings
from servers.ports import free_port
from waiting import wait_until

SOURCE = str(Path(__file__).parents[2] / "src")
# The server is away for a moment after its certificate was renewed.
RETRIES: Any = {"mode": "standard", "total_max_attempts": 8}


@dataclass
class S3Server:
    root: Path
    keys: Path
    ca_file: Path
    admin_file: Path
    log: Path
    endpoint: str
    iam_endpoint: str = ""

    @property
    def administrator(self) -> AccessKey:
        return read_administrator(self.admin_file)

    def settings(self, **other: Any) -> StorageSettings:
        """Return the settings by which an operator finds this server, with some values changed."""
        same: dict[str, Any] = {
            "device_endpoint": self.endpoint,
            "endpoint": self.endpoint,
            "admin_file": self.admin_file,
            "ca_file": self.ca_file,
        }
        return StorageSettings(**{**same, **other})

    def client(self, key: AccessKey) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=key.access_key,
            aws_secret_access_key=key.secret_key,
            verify=str(self.ca_file),
            config=Config(
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                read_timeout=60,
                retries=RETRIES,
            ),
        )

    def iam(self, key: AccessKey) -> Any:
        return boto3.client(
            "iam",
            endpoint_url=self.iam_endpoint,
            region_name="us-east-1",
            aws_access_key_id=key.access_key,
            aws_secret_access_key=key.secret_key,
            verify=str(self.ca_file),
            config=Config(read_timeout=60, retries=RETRIES),
        )

    def requests(self, start: str) -> list[str]:
        """Return the access lines that start so, without their mark."""
        lines = self.log.read_text().splitlines()
        found = (line.removeprefix("access: ") for line in lines if line.startswith("access: "))
        return [line for line in found if line.startswith(start)]


@contextlib.contextmanager
def running_s3(
    directory: Path, *, iam: bool = False, names: Sequence[str] = ()
) -> Iterator[S3Server]:
    """Start it; devices may reach it by these further names or addresses, too."""
    paths = {name: directory / name for name in ("buckets", "keys")}
    for path in paths.values():
        path.mkdir()
    authority = Authority.create("test storage CA", "flotta")
    issued = authority.issue_server(["127.0.0.1", "localhost", *names])
    files = {"ca": authority.certificate_pem, "cert": issued.certificate, "key": issued.key}
    for name, data in files.items():
        (directory / f"s3.{name}").write_bytes(data)
    ensure_administrator(directory / "admin.env", paths["keys"])
    command = [
        *(sys.executable, "-m", "flotta.cli.s3", "serve", "--listen", f"127.0.0.1:{free_port()}"),
        *("--root", str(paths["buckets"]), "--keys", str(paths["keys"])),
        *("--cert", str(directory / "s3.cert"), "--key", str(directory / "s3.key")),
    ]
    iam_address = f"127.0.0.1:{free_port()}"
    command += ["--iam-listen", iam_address] if iam else []
    log = directory / "s3.log"
    with log.open("wb") as stderr:
        environment = {**os.environ, "PYTHONPATH": SOURCE}
        process = subprocess.Popen(command, stderr=stderr, env=environment)
    try:
        yield S3Server(
            root=paths["buckets"],
            keys=paths["keys"],
            ca_file=directory / "s3.ca",
            admin_file=directory / "admin.env",
            log=log,
            endpoint=_address(process, log),
            iam_endpoint=f"https://{iam_address}" if iam else "",
        )
    finally:
        process.terminate()
        process.wait(60)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    def started() -> list[str] | None:
        assert process.poll() is None, "the S3 server ended:\n" + log.read_text()
        return starts(log)

    return wait_until(started)[0]


def starts(log: Path) -> list[str]:
    """Return the address of each start of the server."""
    marked = log.read_text().split("Starting s3 server on [")[1:]
    return [rest.split("]", 1)[0].rstrip("/") for rest in marked if "]" in rest]
