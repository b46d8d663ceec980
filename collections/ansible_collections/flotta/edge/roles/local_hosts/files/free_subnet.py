"""Print the first of the given subnets that overlaps neither a route nor a podman network.

Prints nothing when every one of them is taken.
"""

from __future__ import annotations

import ipaddress
import json
import subprocess
import sys


def output_of(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def taken() -> list[str]:
    routes = [route["dst"] for route in json.loads(output_of("ip", "-json", "route"))]
    networks = json.loads(output_of("podman", "network", "ls", "--format", "json"))
    subnets = [subnet["subnet"] for network in networks for subnet in network.get("subnets", [])]
    # Containers on the local hosts use podman's default subnet, even where this machine does not.
    return [*(r for r in routes if r != "default"), *subnets, "10.88.0.0/16"]


def first_free(candidates: list[str], used: list[str]) -> str:
    networks = [ipaddress.ip_network(item, strict=False) for item in used]
    for candidate in candidates:
        wanted = ipaddress.ip_network(candidate)
        if not any(
            wanted.version == other.version and wanted.overlaps(other) for other in networks
        ):
            return candidate
    return ""


if __name__ == "__main__":
    print(first_free(sys.argv[1:], taken()))
