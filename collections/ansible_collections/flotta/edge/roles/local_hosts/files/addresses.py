"""Assign each named host an address of the subnet, which it keeps.

addresses.py FOLDER SUBNET HOST...

Without a fixed address, podman gives a container another one at every start. The address of a
host is the content of FOLDER/HOST.address. Prints the hosts that got an address now.
"""

from __future__ import annotations

import ipaddress
import sys
from pathlib import Path

FIRST_HOST = 10  # number of an address in the subnet


def assign_addresses(folder: Path, subnet: str, hosts: list[str]) -> list[str]:
    """Assign an address to each host without one; return these hosts."""
    folder.mkdir(mode=0o700, exist_ok=True)
    network = ipaddress.ip_network(subnet)
    used = {file.read_text() for file in folder.glob("*.address")}
    free = (
        str(address)
        for number, address in enumerate(network.hosts(), start=1)
        if number >= FIRST_HOST and str(address) not in used
    )
    missing = [host for host in hosts if not (folder / f"{host}.address").exists()]
    for host in missing:
        (folder / f"{host}.address").write_text(next(free))
    return missing


if __name__ == "__main__":
    print(" ".join(assign_addresses(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])))
