"""Take the control plane away. The fleet's data stays unless the user asks for its deletion.

Data are the fleet's objects (devices, workloads, …) and the Secrets of its certificate authority,
without which no device would be known again. They go first, while the operator still lives: it
tells the devices and empties the buckets.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from ..resources.client import Client
from ..resources.kinds import (
    ALL,
    BUCKET_CLAIM,
    EDGE_DEVICE,
    GROUP,
    LEASE,
    NAMESPACE,
    SECRET,
)
from . import names
from .apply import Applier, is_ours
from .clock import Deadline
from .contents import contents
from .differences import Change
from .errors import InstallationError
from .finalizers import OURS, release
from .labelled import version_of

Object = dict[str, Any]
CERTIFICATES = ("flotta-ca", "flotta-host-certificate")
REGISTRATION = "reg-client-ca=true"
FLEET = tuple(kind for kind in ALL if kind.group == GROUP)


@dataclass
class Removed:
    """The outcome: what changed, what was kept, what could not be cleaned up."""

    changes: list[Change] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    previous_version: str = ""


async def remove(
    client: Client,
    namespace: str,
    *,
    delete_data: bool,
    check_mode: bool,
    patience: float,
) -> Removed:
    """Remove everything that was installed; raises InstallationError with a sentence."""
    if delete_data and not patience:
        raise InstallationError(
            "delete_data needs wait=true: the operator cleans up after devices and buckets before it is removed itself"
        )
    applier = Applier(client, check_mode=check_mode)
    removal = Removal(applier, namespace, Deadline(patience), patience)
    operator = await applier.named(names.DEPLOYMENT, names.OPERATOR, namespace)
    removal.outcome.previous_version = version_of(operator)
    if delete_data:
        await removal.fleet(operator)
    await removal.programs()
    if delete_data:
        await removal.certificates()
    await removal.namespace(keep_data=not delete_data)
    return removal.outcome


class Removal:
    """The steps, in the order in which they are taken."""

    def __init__(
        self, applier: Applier, namespace: str, deadline: Deadline, patience: float
    ) -> None:
        self._applier = applier
        self._namespace = namespace
        self._deadline = deadline
        self._patience = patience
        self.outcome = Removed(changes=applier.changes)

    async def fleet(self, operator: Object | None) -> None:
        """Delete devices, workloads and all else of the fleet, and wait until they are gone."""
        for kind in FLEET:
            for obj in await self._applier.listed(kind):
                await self._applier.remove(obj, kind)
        for claim in await self._claims():
            await self._applier.remove(claim, BUCKET_CLAIM)
        if self._applier.check_mode:
            return
        alive = bool(((operator or {}).get("status") or {}).get("availableReplicas"))
        if not alive:
            await self._warn()

        async def look() -> bool:
            if not alive:
                await self._let_go()
            return await self._fleet_is_gone()

        if not await self._deadline.until(look):
            raise InstallationError(await self._still_there(alive=alive))

    async def _claims(self) -> list[Object]:
        """Bucket claims that only our operator can answer."""
        claims = await self._applier.listed(BUCKET_CLAIM)
        return [item for item in claims if OURS & set(item["metadata"].get("finalizers") or [])]

    async def _let_go(self) -> None:
        for kind in (*FLEET, BUCKET_CLAIM):
            await release(self._applier, kind)

    async def _warn(self) -> None:
        """No operator is there that could clean up: say what is left behind."""
        claims = await self._claims()
        devices = await self._applier.listed(EDGE_DEVICE)
        if devices:
            self.outcome.warnings.append(
                f"No operator was running: {len(devices)} devices were not told to leave; they wipe themselves only "
                "when an Edge API with the same CA tells them"
            )
        if claims:
            self.outcome.warnings.append(
                f"No operator was running: {len(claims)} buckets stay on the S3 server; remove them there"
            )

    async def _fleet_is_gone(self) -> bool:
        return not await self._remaining() and not await self._claims()

    async def _remaining(self) -> list[str]:
        found: list[str] = []
        for kind in FLEET:
            found += map(names.title, await self._applier.listed(kind))
        return found

    async def _still_there(self, *, alive: bool) -> str:
        remaining = await self._remaining()
        shown = f"{', '.join(remaining[:3])}{' and more' if len(remaining) > 3 else ''}"
        reason = (
            "devices have DECOMMISSION_TIMEOUT to acknowledge; run this again, or with a longer wait_timeout"
            if alive
            else "they have finalizers of other programs; remove these"
        )
        return f"The fleet's data is not gone after {self._patience:.0f} s ({shown or 'bucket claims'}): {reason}"

    async def programs(self) -> None:
        """Remove what we rendered, wherever it is, then the pods' traces."""
        places = (self._namespace, names.STORAGE_NAMESPACE)
        for kind, obj in await self._applier.ours(places):
            await self._applier.remove(obj, kind)
        await self._wait(
            self._ended,
            f"Pods of the control plane are still there after {self._patience:.0f} s; "
            f"look at: kubectl --namespace {self._namespace} get pods",
        )
        lease = await self._applier.named(LEASE, names.OPERATOR, self._namespace)
        if lease is not None:
            await self._applier.remove(lease, LEASE)

    async def _ended(self) -> bool:
        selector = f"{names.PART_OF}=flotta"
        for kind in (names.REPLICA_SET, names.POD):
            if await self._applier.listed(kind, self._namespace, selector):
                return False
        return True

    async def certificates(self) -> None:
        """Remove the certificate authority: from here on no device of the fleet can come back."""
        found = await self._applier.listed(SECRET, self._namespace, REGISTRATION)
        for name in CERTIFICATES:
            secret = await self._applier.named(SECRET, name, self._namespace)
            found += [secret] if secret else []
        for secret in found:
            await self._applier.remove(secret, SECRET)

    async def namespace(self, *, keep_data: bool) -> None:
        """Remove the namespace if we made it and nothing is in it that somebody may miss."""
        live = await self._applier.named(NAMESPACE, self._namespace)
        if keep_data:
            await self._note_fleet()
        if live is None or not is_ours(live):
            return
        left = await self._contents()
        if left:
            shown = f"{', '.join(left[:4])}{' and more' if len(left) > 4 else ''}"
            self.outcome.kept.append(f"Namespace {self._namespace} with {shown}")
            return
        await self._applier.remove(live, NAMESPACE)
        await self._wait(
            self._is_gone,
            f"Namespace {self._namespace} is still there after {self._patience:.0f} s; "
            f"kubectl get namespace {self._namespace} -o yaml says what holds it",
        )

    async def _wait(self, look: Callable[[], Awaitable[bool]], sentence: str) -> None:
        """Wait for what was asked for, if the user waits; raises InstallationError with the sentence."""
        if not self._patience or self._applier.check_mode:
            return
        if not await self._deadline.until(look):
            raise InstallationError(sentence)

    async def _note_fleet(self) -> None:
        for kind in FLEET:
            if count := len(await self._applier.listed(kind)):
                self.outcome.kept.append(f"{count} {kind.kind}")

    async def _contents(self) -> list[str]:
        """Name what would be lost with the namespace; what we remove does not count."""
        gone = {change.title for change in self._applier.changes if change.after is None}
        return [item for item in await contents(self._applier, self._namespace) if item not in gone]

    async def _is_gone(self) -> bool:
        return not await self._applier.exists(NAMESPACE, self._namespace)
