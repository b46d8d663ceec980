"""The removal of everything that came from the control plane, whatever fails of it.

Order and extent: docs/reference/device.md#disconnect.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from flotta.tree_removal import empty_directory
from flotta.worker.errors import WipeError
from flotta.worker.features import Feature
from flotta.worker.settings import Settings

log = logging.getLogger(__name__)

Wipe = Callable[[], Awaitable[None]]


async def remove_everything(
    settings: Settings, files: Sequence[Callable[[], None]], features: Sequence[Feature]
) -> None:
    """Wipe files, features and the rest of the state directory; raise WipeError with what failed.

    Before anything is wiped, the features are halted.

    `files` remove what the agent itself keeps, `features` are in the order in which they were made.
    """
    # The files first: the configuration has all Secrets, and if this ends halfway, it is not
    # applied again at a start.
    wipes: list[Wipe] = [
        *(feature.halt for feature in features),
        *(partial(asyncio.to_thread, wipe) for wipe in files),
        *(feature.wipe for feature in reversed(features)),
        partial(_wipe_state, settings),
    ]
    failed = [problem for wipe in wipes if (problem := await _try_to_wipe(wipe))]
    if failed:
        raise WipeError("; ".join(failed))


async def _try_to_wipe(wipe: Wipe) -> str:
    """Return why it failed, empty if it did not."""
    try:
        await wipe()
    except Exception as error:  # one of many: all others must go
        log.debug("A part of the removal failed", exc_info=True)
        return str(error) or type(error).__name__
    return ""


async def _wipe_state(settings: Settings) -> None:
    """Remove what else is in the state directory, such as files of an interrupted write."""
    workloads = settings.workloads_dir
    with contextlib.suppress(OSError):
        workloads.rmdir()  # it has a record of each workload of which something is left
    left = await asyncio.to_thread(empty_directory, settings.state_dir, kept=(workloads.name,))
    if left:
        raise WipeError("; ".join(map(str, left)))
