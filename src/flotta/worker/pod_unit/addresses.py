"""The addresses of host and pod, found at each start, because both can change between two.

podman gives a pod its address when it starts, too late for a variable. So a pod without containers
is started first; podman is then asked for its address for the real one. podman counts addresses
up, so no other pod gets it meanwhile.
"""

from __future__ import annotations

import json
from pathlib import Path

from flotta.durable_files import write_atomically
from flotta.worker.host_address import LOOPBACK, find_host_address
from flotta.worker.pod_unit.plan import (
    ADDRESS_FILE,
    ADDRESSED_INIT,
    ADDRESSED_MANIFEST,
    HOST_ADDRESS,
    POD_ADDRESS,
    ProcessPlan,
    address_pod_of,
)
from flotta.worker.pod_unit.podman_calls import (
    CallFailed,
    call,
    find_infra,
    read_networks,
    remove_pod,
)

NETWORK_VARIABLE = "FLOTTA_POD_NETWORK"  # the option for podman, in the drop-in
MANIFESTS = (("pod.yaml", ADDRESSED_MANIFEST), ("init.yaml", ADDRESSED_INIT))


async def write_addresses(plan: ProcessPlan, directory: Path) -> None:
    """Find the addresses and write the manifests with them; raises CallFailed and OSError."""
    network, address = "", ""
    if not plan.host_network:
        network, address = await _find_free_address(plan.workload)
    option = f"--network={network}:ip={address}" if address else ""
    host = find_host_address() or await _find_gateway(network) or LOOPBACK
    marks = {HOST_ADDRESS: host, POD_ADDRESS: address or host}
    for marked, addressed in MANIFESTS:
        if (directory / marked).exists():
            text = (directory / marked).read_text()
            for mark, value in marks.items():
                text = text.replace(mark, value)
            write_atomically(directory / addressed, text.encode(), 0o600)
    write_atomically(directory / ADDRESS_FILE, f"{NETWORK_VARIABLE}={option}\n".encode(), 0o600)


async def _find_free_address(workload: str) -> tuple[str, str]:
    """Return network and address that podman would give to the next pod."""
    pod = address_pod_of(workload)
    await remove_pod(pod)
    try:
        # The name of the pod may be longer than that of a host.
        await call("pod", "create", "--name", pod, "--hostname", "address")
        await call("pod", "start", pod)
        networks = await read_networks(await find_infra(pod))
    finally:
        await remove_pod(pod)
    if not networks:
        raise CallFailed("podman gave the pod no address")
    return next(iter(networks.items()))


async def _find_gateway(network: str) -> str:
    """Return the host's address in a network of podman, by which pods reach it."""
    if not network:
        return ""
    found = json.loads(await call("network", "inspect", "--", network))
    return next((subnet["gateway"] for subnet in found[0].get("subnets") or []), "")
