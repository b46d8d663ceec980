"""tcpSocket: whether a port accepts a connection."""

from __future__ import annotations

from flotta.worker.probes.connection import connect
from flotta.worker.probes.probe import TcpSocket


async def open_socket(action: TcpSocket, address: str) -> None:
    """Open a connection to the pod at this address and close it; raises ProbeFailed."""
    async with connect(action.host or address, action.port):
        pass
