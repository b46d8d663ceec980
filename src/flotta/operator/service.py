"""The operator as a whole: the kinds that it reconciles, their caches and their controllers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from flotta.operator.controllers.claim import claim_controller
from flotta.operator.controllers.context import Context
from flotta.operator.controllers.device.controller import device_controller
from flotta.operator.controllers.device_set import device_set_controller
from flotta.operator.controllers.request.controller import request_controller
from flotta.operator.controllers.workload import workload_controller
from flotta.operator.runtime.caches import Caches
from flotta.operator.runtime.kind_controller import KindController
from flotta.operator.settings import Settings
from flotta.resources.client import Client
from flotta.storage.provisioner import Provisioner

# Any: of any kind; each is checked where it is made.
MakeController = Callable[[Context], KindController[Any]]
CONTROLLERS: tuple[MakeController, ...] = (
    device_controller,
    workload_controller,
    device_set_controller,
    request_controller,
    claim_controller,
)


class Operator:
    """Owns caches and controllers; both run until cancelled."""

    def __init__(
        self,
        client: Client,
        settings: Settings,
        provisioner: Provisioner | None = None,
        kinds: tuple[MakeController, ...] = CONTROLLERS,
    ) -> None:
        self.caches = Caches(client)
        context = Context(client, self.caches, settings, provisioner)
        self.controllers = tuple(make(context).build(client) for make in kinds)

    async def run_caches(self) -> None:
        """Keep the caches current until cancelled."""
        await self.caches.run()

    async def run_controllers(self) -> None:
        """Reconcile until cancelled; needs synced caches."""
        async with asyncio.TaskGroup() as group:
            for controller in self.controllers:
                group.create_task(controller.run())
