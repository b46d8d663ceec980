"""Ending the main process of a container, as if it had ended by itself.

podman is not asked to stop the container: it would then leave it stopped. A container that ends is
started again by podman, by the pod's policy and without the worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

from flotta.worker.probes.container_run import ContainerRun


async def end_process(run: ContainerRun, stop_signal: int, grace: float) -> None:
    """Send the signal that the image names, after `grace` seconds SIGKILL; wait for the end."""
    try:
        descriptor = os.pidfd_open(run.pid)
    except ProcessLookupError:
        return
    try:
        # The descriptor stays with this process; its number may be another one's by now.
        if run.is_alive:
            await _end(descriptor, stop_signal, grace)
    finally:
        os.close(descriptor)


async def _end(descriptor: int, stop_signal: int, grace: float) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, ended.set)
    try:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, stop_signal)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await ended.wait()
            if not ended.is_set():
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
