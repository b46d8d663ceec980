"""Asking a container once, within the time that its probe allows.

Only time in which the worker ran counts: when it stood still, or the whole device did, the answer
may be there already, and nobody could look.
"""

from __future__ import annotations

import asyncio
import contextlib

from flotta.worker.host_address import IPV4, LOOPBACK, find_host_address
from flotta.worker.http_get_action import HttpGet
from flotta.worker.podman import Placement
from flotta.worker.probes.exec_command import run_command
from flotta.worker.probes.grpc_health import check_health
from flotta.worker.probes.http_get import get
from flotta.worker.probes.probe import Action, Exec, Grpc, Probe, ProbeFailed, TcpSocket
from flotta.worker.probes.tcp_socket import open_socket

SLICE = 0.25  # seconds that a look takes at most; one that takes longer counts as this
MAX_WORD = 80  # characters of a path, command or service in a message


async def ask(probe: Probe, container_id: str, place: Placement) -> None:
    """Return when the container passes.

    Raises ProbeFailed when it does not or is too slow, and ProbeImpossible when it was not asked.
    """
    asking = asyncio.ensure_future(_act(probe.action, container_id, place))
    try:
        left = float(probe.timeout)
        while not asking.done() and left > 0:
            await asyncio.wait({asking}, timeout=min(SLICE, left))
            left -= SLICE
        if not asking.done():
            raise ProbeFailed(f"no answer within {probe.timeout} s")
        await asking
    except ProbeFailed as error:
        raise ProbeFailed(f"{describe(probe.action)}: {error}") from error
    finally:
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await asking


async def _act(action: Action, container_id: str, place: Placement) -> None:
    match action:
        case Exec():
            await run_command(action, container_id, place)
        case HttpGet():
            await get(action, _find_address(place))
        case TcpSocket():
            await open_socket(action, _find_address(place))
        case Grpc():
            await check_health(action, _find_address(place))


def _find_address(place: Placement) -> str:
    """Return where a container is asked; on the host's network as on Kubernetes, at the host's."""
    return place.address or find_host_address((IPV4,)) or LOOPBACK


def describe(action: Action) -> str:
    """Return what is asked, without what may be secret: arguments, queries and headers."""
    match action:
        case Exec():
            return f"command {action.command[0][:MAX_WORD]!r}"
        case HttpGet():
            path = action.path.partition("?")[0][:MAX_WORD]
            return f"{action.scheme} GET {path} on port {action.port}"
        case TcpSocket():
            return f"TCP connection to port {action.port}"
        case Grpc():
            service = f" of {action.service[:MAX_WORD]!r}" if action.service else ""
            return f"gRPC health{service} on port {action.port}"
