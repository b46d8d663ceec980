"""Print the first of the given subnets that overlaps neither a route nor a podman network.

Prints nothing when all of them are in use.
"""

from __future__ import annotations

import ipaddress
import json
import subprocess
import sys


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


if __name__ == "__main__":
    print(find_free(sys.argv[1:], list_taken()))
