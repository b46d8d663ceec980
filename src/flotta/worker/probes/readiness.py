"""Whether the containers of a pod are ready, as far as probes decide that."""

from __future__ import annotations

from typing import NamedTuple


class Readiness(NamedTuple):
    """Whether all of them are ready, None while unknown, and why one is not."""

    ready: bool | None
    message: str = ""


UNDECIDED = Readiness(None)
