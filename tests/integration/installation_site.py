"""An installation on a real Kubernetes API; tests play the kubelet, because there are no nodes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from background import in_background
from flotta.installation.install import InstallOutcome, install
from flotta.installation.kinds import DEPLOYMENT, POD, RENDERED, SERVICE
from flotta.installation.names import OURS
from flotta.installation.settings import Installation
from flotta.installation.uninstall import UninstallOutcome, uninstall
from flotta.resources.client import ApiError, Client, NotFound
from flotta.resources.kinds import CONFIG_MAP, EDGE_DEVICE, NAMESPACE, SECRET, Kind
from servers.api_server import KubernetesApi
from waiting import eventually

Object = dict[str, Any]
S3 = {
    "device_endpoint": "https://s3.example:9000",
    "shared_keys": True,
    "access_key": "ADMIN",
    "secret_key": "top-secret",
}
READY = {
    "phase": "Running",
    "conditions": [
        {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    ],
}


@dataclass
class Place:
    """One namespace for one test."""

    api: KubernetesApi
    client: Client
    namespace: str

    async def present(
        self,
        client: Client | None = None,
        *,
        check_mode: bool = False,
        wait_timeout: float = 0,
        **given: Any,
    ) -> InstallOutcome:
        return await install(
            client or self.client,
            Installation.from_parameters({"namespace": self.namespace, **given}),
            check_mode=check_mode,
            wait_timeout=wait_timeout,
        )

    async def absent(
        self,
        client: Client | None = None,
        *,
        check_mode: bool = False,
        wait_timeout: float | None = None,
        delete_data: bool = False,
        components: tuple[str, ...] = ("edge_api", "operator"),
    ) -> UninstallOutcome:
        if wait_timeout is None:
            wait_timeout = 60 if delete_data else 0
        return await uninstall(
            client or self.client,
            self.namespace,
            components=components,
            delete_data=delete_data,
            check_mode=check_mode,
            wait_timeout=wait_timeout,
        )

    async def get(self, kind: Kind, name: str) -> Object:
        return await self.client.get(kind, name, self.namespace)

    async def find(self, kind: Kind, name: str) -> Object | None:
        return await self.client.get_or_none(kind, name, self.namespace)

    async def ours(self) -> list[str]:
        """Return every object with our labels."""
        found = []
        for kind in RENDERED:
            with contextlib.suppress(NotFound):
                objects = await self.client.list(kind, label_selector=OURS)
                found += [f"{kind.kind} {obj['metadata']['name']}" for obj in objects]
        return found

    async def report_pods(self, status: Object) -> None:
        """Do what a kubelet does: say how the pods are."""
        for pod in await self.client.list(POD, self.namespace):
            with contextlib.suppress(ApiError):
                name = pod["metadata"]["name"]
                await self.client.merge_patch(
                    POD, name, self.namespace, {"status": status}, "status"
                )

    async def report_balancer(self, *entries: Object) -> None:
        patch = {"status": {"loadBalancer": {"ingress": list(entries)}}}
        await self.client.merge_patch(SERVICE, "flotta-edge-api", self.namespace, patch, "status")

    async def pods_are_made(self) -> None:
        """Wait until every Deployment has all its pods."""

        async def made() -> bool:
            deployments = await self.client.list(DEPLOYMENT, self.namespace)
            wanted = sum(item["spec"]["replicas"] for item in deployments)
            return len(await self.client.list(POD, self.namespace)) >= wanted

        await eventually(made, 60)

    @asynccontextmanager
    async def kubelet(self) -> AsyncIterator[None]:
        """Let every pod become ready as soon as it exists."""

        async def work() -> None:
            while True:
                with contextlib.suppress(ApiError):
                    await self.report_pods(READY)
                await asyncio.sleep(0.2)

        async with in_background(work()):
            yield


class InterruptedClient(Client):
    """A client beside a writer that changes each device just before its first patch."""

    def __init__(self, api: Any) -> None:
        super().__init__(api)
        self.interrupted: list[str] = []

    async def merge_patch(
        self,
        kind: Kind,
        name: str,
        namespace: str | None,
        patch: Object,
        subresource: str | None = None,
    ) -> Object:
        if kind == EDGE_DEVICE and name not in self.interrupted:
            self.interrupted.append(name)
            note = {"metadata": {"annotations": {"example.com/note": "changed"}}}
            await super().merge_patch(kind, name, namespace, note)
        return await super().merge_patch(kind, name, namespace, patch, subresource)


def titles(outcome: InstallOutcome | UninstallOutcome) -> list[str]:
    return [change.title for change in outcome.changes]


async def add_data(place: Place) -> None:
    """Let the namespace hold a CA, and the cluster a device that only an operator lets go."""
    secret = {"metadata": {"name": "flotta-ca", "namespace": place.namespace}}
    await place.client.create(SECRET, secret)
    metadata = {"name": "till-1", "namespace": "default", "finalizers": ["device-finalizer"]}
    await place.client.create(EDGE_DEVICE, {"metadata": metadata, "spec": {}})


async def on_its_way_out(place: Place, namespace: str) -> None:
    """Delete a namespace that something of another program holds."""
    held = {"name": "held", "namespace": namespace, "finalizers": ["example.com/held"]}
    await place.client.create(CONFIG_MAP, {"metadata": held})
    await place.client.delete(NAMESPACE, namespace)


async def gone(place: Place, namespace: str) -> None:
    """Let a namespace go that is on its way out, and wait until it is gone."""
    patch = {"metadata": {"finalizers": None}}
    await place.client.merge_patch(CONFIG_MAP, "held", namespace, patch)

    async def away() -> bool:
        return await place.client.get_or_none(NAMESPACE, namespace) is None

    await eventually(away, 90)


async def until_served(place: Place, *kinds: Kind) -> None:
    async def served() -> bool:
        try:
            return bool([await place.client.list(kind) for kind in kinds])
        except ApiError:
            return False

    await eventually(served)
