"""Deletion of namespaces."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flotta.apiserver.writes import Objects


class NamespaceController:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def run(self) -> None:
        await asyncio.Event().wait()
