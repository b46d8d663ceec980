"""Create a podman network in the first of the given subnets that is free, and print that subnet.

  create_network.py NAME LABEL SUBNET [SUBNET ...]

Free is what overlaps neither a route nor a podman network. Prints nothing when no subnet is free.
"""

from __future__ import annotations

import ipaddress
import json
import subprocess
import sys

TAKEN = "is already used"  # podman's word for a subnet of another network or of the host


def read_output(*command: str) -> str:
    """Run a command and return what it prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def list_taken() -> list[str]:
    """Return the subnets of routes and podman networks."""
    routes = [route["dst"] for route in json.loads(read_output("ip", "-json", "route"))]
    networks = json.loads(read_output("podman", "network", "ls", "--format", "json"))
    subnets = [subnet["subnet"] for network in networks for subnet in network.get("subnets", [])]
    # Containers inside the local hosts use podman's default subnet, even if this machine does not.
    return [*(route for route in routes if route != "default"), *subnets, "10.88.0.0/16"]


def find_free(candidates: list[str], used: list[str]) -> str:
    """Return the first candidate that overlaps none of the used subnets; empty when all do."""
    networks = [ipaddress.ip_network(item, strict=False) for item in used]
    for candidate in candidates:
        wanted = ipaddress.ip_network(candidate)
        if not any(
            wanted.version == other.version and wanted.overlaps(other) for other in networks
        ):
            return candidate
    return ""


def create(name: str, label: str, candidates: list[str]) -> str:
    """Create the network and return its subnet; empty when all candidates are in use.

    Another site may take the subnet between the look and the creation, so there is another look.
    Whatever else podman says ends the program.
    """
    for _attempt in candidates:
        subnet = find_free(candidates, list_taken())
        if not subnet:
            break
        command = ["podman", "network", "create", "--disable-dns", "--label", label]
        created = subprocess.run(
            [*command, "--subnet", subnet, name], check=False, capture_output=True, text=True
        )
        if created.returncode == 0:
            return subnet
        if TAKEN not in created.stderr:
            sys.exit(created.stderr)
    return ""


if __name__ == "__main__":
    print(create(sys.argv[1], sys.argv[2], sys.argv[3:]))
