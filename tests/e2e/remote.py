"""A site whose devices are in a data store: an Edge API without a resource API, and the store."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from e2e.control_plane import EDGE_API, ControlPlane
from e2e.machines import Host, Machines

DEVICES_PORT = 8043
STORE = "flotta-configuration-api"
CERTIFICATES = "/var/lib/flotta/edge-api/certificates"
Object = dict[str, Any]


class Remote(ControlPlane):
    """Edge API and data store on one machine, with the storage."""

    port = DEVICES_PORT

    @property
    def host(self) -> Host:
        return self.site.storage

    @property
    def address(self) -> str:
        return self.host.address

    def edge_api_log(self, since: str) -> str:
        return self.host.journal(EDGE_API, since=f"-{since}in")

    def serves(self) -> bool:
        return self.host.run(f"systemctl is-active {EDGE_API}", check=False) == "active\n"

    def remains(self) -> list[str]:
        units = f"systemctl list-unit-files --no-legend '{EDGE_API}*' '{STORE}*'"
        places = f"/usr/local/bin/flotta* /etc/*.d/flotta-* /etc/flotta/*.env {CERTIFICATES}"
        found = self.host.run(f"{units}; ls -d {places} 2>/dev/null", check=False)
        return [line for line in found.splitlines() if line != "/etc/flotta/s3-admin.env"]

    def stop(self) -> None:
        self.host.stop()

    def start(self) -> None:
        self.host.start()

    def registration_secrets(self) -> list[str]:
        return self.host.run(f"ls {CERTIFICATES}").split()

    def issue_batch(self, name: str, folder: Path) -> None:
        self.registration("issue", name, "--output", "/tmp/batch")
        for file in ("ca.crt", "client.crt", "client.key"):
            (folder / file).write_text(self.host.run(f"cat /tmp/batch/{file}"))
        self.host.run("rm -r /tmp/batch")

    def revoke_batch(self, name: str) -> None:
        self.registration("revoke", name)

    def forget_batch(self, name: str, device: str) -> None:
        self.host.run(f"rm -r {CERTIFICATES}/{name}")
        self.host.run(f"{STORE} forget default/{device}", check=False)

    def registration(self, *arguments: str) -> str:
        words = ("flotta", "registration", *arguments, "--certificates-dir", CERTIFICATES)
        return self.host.run(shlex.join(words))


class Store:
    """The data store, by its command."""

    def __init__(self, machines: Machines) -> None:
        self._host = machines.storage

    def run(self, *words: str, stdin: str = "", check: bool = True) -> str:
        text = f"printf %s {shlex.quote(stdin)} | " if stdin else ""
        return self._host.run(text + shlex.join((STORE, *words)), check=check)

    def show(self, device: str) -> Object:
        found: Object = json.loads(self.run("show", f"default/{device}", "-o", "json"))
        return found

    def heartbeat(self, device: str) -> Object:
        """Return the last heartbeat that the store has of a device."""
        found: Object = self.show(device)["report"]["heartbeat"]
        return found

    def change(self, device: str, change: Callable[[list[Object]], list[Object]]) -> None:
        """Give a device the workloads that `change` makes of those that it has."""
        found: Object = json.loads(self.run("get", f"default/{device}", "-o", "json"))
        kept = {key: found[key] for key in ("configuration", "secrets") if found.get(key)}
        kept["workloads"] = change(found.get("workloads") or [])
        self.run("put", f"default/{device}", "-", stdin=json.dumps(kept))
