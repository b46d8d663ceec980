"""One reconciler for each kind: read what is known, plan, execute, and read again on a conflict."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..fleet.joining import REQUEST_NAMESPACE
from ..resources.client import ApiError, Conflict, NotFound, Unreachable
from ..resources.kinds import (
    BUCKET_CLAIM,
    EDGE_DEVICE,
    EDGE_DEVICE_SET,
    EDGE_WORKLOAD,
    SIGNED_REQUEST,
)
from .decommission import plan_decommission
from .devices import plan_device
from .figures import plan_set, plan_workload
from .requests import plan_request, refused_plan
from .steps import Create, Plan, execute

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..resources.client import Client
    from ..resources.kinds import Kind
    from .controller import Key
    from .fleet import Fleet
    from .settings import Settings

Object = dict[str, Any]
TRIES = 5


class Reconcilers:
    """The functions that controllers call; each takes (namespace, name)."""

    def __init__(self, client: Client, fleet: Fleet, settings: Settings):
        self._client = client
        self._fleet = fleet
        self._settings = settings

    async def device(self, key: Key) -> float | None:
        """Bring an EdgeDevice in line with workloads, set and claim, or let it go."""
        return await self._settle(
            EDGE_DEVICE, key, self._fleet.devices.get(*key), self._device_plan
        )

    async def workload(self, key: Key) -> float | None:
        """Bring the figures of an EdgeWorkload up to date."""
        known = self._fleet.workloads.get(*key)

        async def plan(workload: Object) -> Plan:
            return plan_workload(workload, self._fleet.devices.list(key[0]), _now())

        return await self._settle(EDGE_WORKLOAD, key, known, plan)

    async def device_set(self, key: Key) -> float | None:
        """Bring the figures of an EdgeDeviceSet up to date."""

        async def plan(device_set: Object) -> Plan:
            return plan_set(device_set, self._fleet.members(*key), _now())

        return await self._settle(EDGE_DEVICE_SET, key, self._fleet.sets.get(*key), plan)

    async def request(self, key: Key) -> float | None:
        """Approve a signed request, make its EdgeDevice, or remove it after its device."""
        known = self._fleet.requests.get(*key)
        try:
            return await self._settle(SIGNED_REQUEST, key, known, self._request_plan)
        except _CreationRefusedError as refused:
            error = refused.error

        async def plan(request: Object) -> Plan:
            return refused_plan(request, _sentence(error), _now())

        await self._settle(SIGNED_REQUEST, key, known, plan)
        raise error  # so that it is tried again later and later

    async def _device_plan(self, device: Object) -> Plan:
        namespace, name = device["metadata"]["namespace"], device["metadata"]["name"]
        if device["metadata"].get("deletionTimestamp"):
            # Caches may be behind; what is removed here must be what is there.
            claim = await self._read(BUCKET_CLAIM, namespace, name)
            request = await self._read(SIGNED_REQUEST, REQUEST_NAMESPACE, name)
            timeout = self._settings.decommission_timeout
            return plan_decommission(device, claim, request, _now(), timeout)
        recorded = (device.get("status") or {}).get("dataObc") or name
        claims = self._fleet.claims
        return plan_device(
            device,
            self._fleet.workloads.list(namespace),
            self._fleet.set_of(device),
            claims.get(namespace, recorded) or claims.get(namespace, name),
            self._settings,
            _now(),
        )

    async def _request_plan(self, request: Object) -> Plan:
        name, namespace = request["metadata"]["name"], request["spec"]["targetNamespace"]
        device = self._fleet.devices.get(namespace, name)
        if request["spec"].get("approved") and device is None:
            # A cache that is behind must not make a new request look like one whose device is gone.
            device = await self._read(EDGE_DEVICE, namespace, name)
        auto, expiry = self._settings.auto_approval, self._settings.request_expiry
        plan = plan_request(request, device, _now(), auto=auto, expiry=expiry)
        if any(isinstance(step, Create) for step in plan.steps):
            await self._create(plan)
            return Plan(again=plan.again)
        return plan

    async def _create(self, plan: Plan) -> None:
        try:
            await execute(self._client, plan.steps)
        except Unreachable:
            raise
        except ApiError as error:
            raise _CreationRefusedError(error) from error

    async def _settle(
        self,
        kind: Kind,
        key: Key,
        known: Object | None,
        plan_for: Callable[[Object], Awaitable[Plan]],
    ) -> float | None:
        """Plan and execute; on a conflict again with the object as it is now."""
        resource = known
        for _ in range(TRIES):
            if resource is None:
                return None
            plan = await plan_for(resource)
            try:
                await execute(self._client, plan.steps)
            except Conflict:
                resource = await self._read(kind, *key)
            except NotFound:
                return None  # deleted meanwhile
            else:
                return plan.again
        return 1.0

    async def _read(self, kind: Kind, namespace: str, name: str) -> Object | None:
        try:
            return await self._client.get(kind, name, namespace)
        except NotFound:
            return None


class _CreationRefusedError(Exception):
    """The API does not take the EdgeDevice of an approved request."""

    def __init__(self, error: ApiError):
        super().__init__(error.message)
        self.error = error


def _sentence(error: ApiError) -> str:
    if isinstance(error, NotFound):
        return f"{error.message}; create the namespace or change spec.targetNamespace"
    return error.message


def _now() -> datetime:
    return datetime.now(UTC)
