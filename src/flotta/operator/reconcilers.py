"""One reconciler for each kind: read what is known, plan, execute, and read again on a conflict."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from flotta.fleet.joining import REQUEST_NAMESPACE
from flotta.operator.caches import Caches
from flotta.operator.conflicts import reconcile_newest
from flotta.operator.decommission import plan_decommission
from flotta.operator.devices import plan_device
from flotta.operator.requests import plan_refusal, plan_request
from flotta.operator.settings import Settings
from flotta.operator.steps import Create, Plan, execute_steps
from flotta.operator.workload_status import plan_set, plan_workload
from flotta.resources.client import ApiError, Client, NotFound, Unreachable
from flotta.resources.kinds import (
    BUCKET_CLAIM,
    EDGE_DEVICE,
    EDGE_DEVICE_SET,
    EDGE_WORKLOAD,
    SIGNED_REQUEST,
    Kind,
)
from flotta.resources.views import Key

Object = dict[str, Any]


class Reconcilers:
    """The functions that controllers call; each takes (namespace, name)."""

    def __init__(self, client: Client, caches: Caches, settings: Settings) -> None:
        self._client = client
        self._caches = caches
        self._settings = settings

    async def reconcile_device(self, key: Key) -> float | None:
        """Bring an EdgeDevice in line with workloads, set and claim, or let it go."""
        return await self._reconcile(
            EDGE_DEVICE, key, self._caches.devices.get(*key), self._plan_device
        )

    async def reconcile_workload(self, key: Key) -> float | None:
        """Bring the counts and conditions of an EdgeWorkload up to date."""
        known = self._caches.workloads.get(*key)

        async def plan(workload: Object) -> Plan:
            return plan_workload(workload, self._caches.devices.list(key[0]), _now())

        return await self._reconcile(EDGE_WORKLOAD, key, known, plan)

    async def reconcile_set(self, key: Key) -> float | None:
        """Bring the counts and conditions of an EdgeDeviceSet up to date."""

        async def plan(device_set: Object) -> Plan:
            return plan_set(device_set, self._caches.members_of(*key), _now())

        return await self._reconcile(EDGE_DEVICE_SET, key, self._caches.sets.get(*key), plan)

    async def reconcile_request(self, key: Key) -> float | None:
        """Approve a signed request, make its EdgeDevice, or remove it after its device."""
        known = self._caches.requests.get(*key)
        try:
            return await self._reconcile(SIGNED_REQUEST, key, known, self._plan_request)
        except _CreationRefusedError as refused:
            error = refused.error

        async def plan(request: Object) -> Plan:
            return plan_refusal(request, _describe_refusal(error), _now())

        await self._reconcile(SIGNED_REQUEST, key, known, plan)
        raise error  # so that it is tried again later and later

    async def _plan_device(self, device: Object) -> Plan:
        namespace, name = device["metadata"]["namespace"], device["metadata"]["name"]
        if device["metadata"].get("deletionTimestamp"):
            # Caches may be behind; what is removed here must be what is there.
            claim = await self._client.get_or_none(BUCKET_CLAIM, name, namespace)
            request = await self._client.get_or_none(SIGNED_REQUEST, name, REQUEST_NAMESPACE)
            timeout = self._settings.decommission_timeout
            return plan_decommission(device, claim, request, _now(), timeout)
        recorded = (device.get("status") or {}).get("dataObc") or name
        claims = self._caches.claims
        return plan_device(
            device,
            self._caches.workloads.list(namespace),
            self._caches.set_in_force(device),
            claims.get(namespace, recorded) or claims.get(namespace, name),
            self._settings,
            _now(),
        )

    async def _plan_request(self, request: Object) -> Plan:
        name, namespace = request["metadata"]["name"], request["spec"]["targetNamespace"]
        device = self._caches.devices.get(namespace, name)
        if request["spec"].get("approved") and device is None:
            # A cache that is behind must not make a new request look like one whose device is gone.
            device = await self._client.get_or_none(EDGE_DEVICE, name, namespace)
        auto, expiry = self._settings.auto_approval, self._settings.request_expiry
        plan = plan_request(request, device, _now(), auto=auto, expiry=expiry)
        if any(isinstance(step, Create) for step in plan.steps):
            await self._execute_creation(plan)
            return Plan(requeue_after=plan.requeue_after)
        return plan

    async def _execute_creation(self, plan: Plan) -> None:
        try:
            await execute_steps(self._client, plan.steps)
        except Unreachable:
            raise
        except ApiError as error:
            raise _CreationRefusedError(error) from error

    async def _reconcile(
        self,
        kind: Kind,
        key: Key,
        known: Object | None,
        plan_for: Callable[[Object], Awaitable[Plan]],
    ) -> float | None:
        """Plan and execute; after a conflict again with the object as it is now."""

        async def attempt(resource: Object) -> float | None:
            plan = await plan_for(resource)
            try:
                await execute_steps(self._client, plan.steps)
            except NotFound:
                return None  # deleted meanwhile
            return plan.requeue_after

        return await reconcile_newest(self._client, kind, key, known, attempt)


class _CreationRefusedError(Exception):
    """The API does not take the EdgeDevice of an approved request."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(error.message)
        self.error = error


def _describe_refusal(error: ApiError) -> str:
    if isinstance(error, NotFound):
        return f"{error.message}; create the namespace or change spec.targetNamespace"
    return error.message


def _now() -> datetime:
    return datetime.now(UTC)
