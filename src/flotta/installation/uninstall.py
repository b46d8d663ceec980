"""Uninstalling of the control plane. The fleet's data stays unless the user asks for its deletion.

Data is the fleet's objects (devices, workloads, …) and the Secrets of its certificate authority,
without which no device could connect again. The objects are deleted first, while the operator still
runs, because it decommissions devices and deletes buckets.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product

from flotta.fleet.registration_batches import BATCH_LABEL
from flotta.fleet.tombstones import CONFIRMED_ANNOTATION, RECORD_LABEL, make_confirmation
from flotta.installation import kinds, names
from flotta.installation.apply import Applier, Scope, is_ours
from flotta.installation.cluster_scope import find_other_namespace, refuse_deletion_of_fleet
from flotta.installation.deadline import Deadline
from flotta.installation.diff import ObjectChange
from flotta.installation.errors import InstallationError
from flotta.installation.finalizers import OWN_FINALIZERS, release_objects
from flotta.installation.labels import version_label
from flotta.installation.namespace_contents import list_contents
from flotta.installation.objects import Deployment
from flotta.installation.settings import check_components, programs_of
from flotta.own_names import (
    CA_SECRET,
    CERTIFICATES_CONFIG_MAP,
    EDGE_API,
    HOST_SECRET,
    OPERATOR,
    REGISTRATION_SELECTOR,
    ROLLOVER_CONFIG_MAP,
    WIPE_GRANTS_SECRET,
)
from flotta.resources.changes import change_metadata
from flotta.resources.client import Client, NotFound, Objects
from flotta.resources.kinds import (
    ALL,
    BUCKET_CLAIM,
    CONFIG_MAP,
    EDGE_DEVICE,
    GROUP,
    LEASE,
    NAMESPACE,
    SECRET,
)
from flotta.resources.objects.storage import BucketClaim
from flotta.resources.views import finalizers_of, name_of, namespace_of, status_of
from flotta.settings.installation import COMPONENTS

FLEET = tuple(kind for kind in ALL if kind.group == GROUP)


@dataclass
class UninstallOutcome:
    """The outcome: what changed, what was kept, and warnings about what could not be cleaned up."""

    changes: list[ObjectChange] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    previous_version: str = ""


async def uninstall(
    client: Client,
    namespace: str,
    *,
    components: Collection[str] = COMPONENTS.default,
    delete_data: bool,
    check_mode: bool,
    wait_timeout: float,
) -> UninstallOutcome:
    """Remove what was installed of these components, and with `delete_data` what they store.

    The operator's data is the fleet, that of the Edge API are the certificates.

    `wait_timeout` is the time in seconds for all of it; 0 does not wait. Raises InstallationError.
    """
    check_components(components)
    programs = programs_of(components)
    if delete_data and OPERATOR in programs and not wait_timeout:
        raise InstallationError(
            "delete_data needs wait=true: the operator cleans up after devices and buckets before "
            "it is removed itself"
        )
    applier = Applier(client, check_mode=check_mode)
    if delete_data and OPERATOR in programs:
        await refuse_deletion_of_fleet(applier, namespace, programs)
    uninstaller = Uninstaller(applier, namespace, programs, Deadline(wait_timeout), wait_timeout)
    before = await applier.get_or_none(kinds.DEPLOYMENT, programs[0], namespace)
    uninstaller.outcome.previous_version = version_label(before)
    if delete_data and OPERATOR in programs:
        await uninstaller.remove_fleet(before)
    stays = await uninstaller.finds_others()
    await uninstaller.remove_programs(with_shared=not stays)
    if delete_data and EDGE_API in programs:
        await uninstaller.remove_certificates()
    if not (delete_data and OPERATOR in programs):
        await uninstaller.note_kept_fleet()
    if not stays:
        await uninstaller.remove_namespace()
    return uninstaller.outcome


class Uninstaller:
    """The steps, in the order in which they are taken."""

    def __init__(
        self,
        applier: Applier,
        namespace: str,
        programs: Collection[str],
        deadline: Deadline,
        wait_timeout: float,
    ) -> None:
        self._applier = applier
        self._namespace = namespace
        self._programs = programs
        self._deadline = deadline
        self._timeout = wait_timeout
        self.outcome = UninstallOutcome(changes=applier.changes)

    async def remove_fleet(self, operator: Deployment | None) -> None:
        """Delete devices, workloads and other objects of the fleet; wait until they are gone."""
        await self._confirm_decommissions()
        for kind in FLEET:
            for obj in await self._applier.list_objects(kind):
                await self._applier.remove(obj, kind)
        for claim in await self._list_claims():
            await self._applier.remove(claim, BUCKET_CLAIM)
        if self._applier.check_mode:
            return
        alive = operator is not None and bool(status_of(operator).get("availableReplicas"))
        if not alive:
            await self._warn_of_leftovers()

        async def is_cleaned_up() -> bool:
            if not alive:
                await self._release_fleet()
            return await self._fleet_is_gone()

        if not await self._deadline.wait_until(is_cleaned_up):
            raise InstallationError(await self._describe_remains(alive=alive))

    async def _confirm_decommissions(self) -> None:
        """Say that the deletion of all devices is meant, so that the operator does not hold it."""
        confirmation = make_confirmation("flotta.edge.operator", datetime.now(UTC))
        word = change_metadata({"annotations": {CONFIRMED_ANNOTATION: confirmation}})
        for device in await self._applier.list_objects(EDGE_DEVICE):
            if self._applier.check_mode:
                return
            with contextlib.suppress(NotFound):
                await self._applier.client.merge_patch(
                    EDGE_DEVICE, name_of(device), namespace_of(device), word
                )

    async def _list_claims(self) -> Objects[BucketClaim]:
        """Return the bucket claims that only our operator can release."""
        claims = await self._applier.list_objects(BUCKET_CLAIM)
        return [item for item in claims if not OWN_FINALIZERS.isdisjoint(finalizers_of(item))]

    async def _release_fleet(self) -> None:
        for kind in (*FLEET, BUCKET_CLAIM):
            await release_objects(self._applier, kind)

    async def _warn_of_leftovers(self) -> None:
        """Add warnings about what is left behind because no operator runs to clean up."""
        claims = await self._list_claims()
        devices = await self._applier.list_objects(EDGE_DEVICE)
        if devices:
            self.outcome.warnings.append(
                f"No operator was running: {len(devices)} devices were not decommissioned; "
                "they keep running with their files"
            )
        if claims:
            self.outcome.warnings.append(
                f"No operator was running: {len(claims)} buckets stay on the S3 server; "
                "remove them there"
            )

    async def _fleet_is_gone(self) -> bool:
        return not await self._list_fleet() and not await self._list_claims()

    async def _list_fleet(self) -> list[str]:
        found: list[str] = []
        for kind in FLEET:
            found += map(names.title, await self._applier.list_objects(kind))
        return found

    async def _describe_remains(self, *, alive: bool) -> str:
        remaining = await self._list_fleet()
        shown = f"{', '.join(remaining[:3])}{' and more' if len(remaining) > 3 else ''}"
        reason = (
            "devices have DECOMMISSION_TIMEOUT to acknowledge; run this again, or with a longer "
            "wait_timeout"
            if alive
            else "they have finalizers of other programs; remove those finalizers"
        )
        return (
            f"The fleet's data still exists after {self._timeout:.0f} s "
            f"({shown or 'bucket claims'}): {reason}"
        )

    async def finds_others(self) -> bool:
        """Tell whether another program of ours stays in the namespace."""
        others = set(names.COMPONENT_PROGRAMS.values()) - set(self._programs)
        found = [
            await self._applier.exists(kinds.DEPLOYMENT, name, self._namespace) for name in others
        ]
        return any(found)

    async def remove_programs(self, *, with_shared: bool) -> None:
        """Remove every object that was rendered for them, then what their pods left behind.

        `with_shared` includes the objects that all programs share.
        """
        scope = Scope(
            (self._namespace, names.STORAGE_NAMESPACE),
            not await find_other_namespace(self._applier, self._namespace),
            (*self._programs, *([names.METRICS_SERVICE] if with_shared else [])),
        )
        for kind, obj in await self._applier.list_own(scope):
            await self._applier.remove(obj, kind)
        await self._wait(
            self._pods_are_gone,
            f"Pods of the control plane still exist after {self._timeout:.0f} s; "
            f"look at: kubectl --namespace {self._namespace} get pods",
        )
        if OPERATOR in self._programs:
            await self._remove_lease()

    async def _remove_lease(self) -> None:
        lease = await self._applier.get_or_none(LEASE, OPERATOR, self._namespace)
        if lease is not None:
            await self._applier.remove(lease, LEASE)

    async def _pods_are_gone(self) -> bool:
        for kind, program in product((kinds.REPLICA_SET, kinds.POD), self._programs):
            selector = f"{names.PART_OF}=flotta,{names.NAME}={program}"
            if await self._applier.list_objects(kind, self._namespace, selector):
                return False
        return True

    async def remove_certificates(self) -> None:
        """Remove the certificate authority, and the records of devices that it certified.

        No device of the fleet can connect after that.
        """
        for record in await self._applier.list_objects(CONFIG_MAP, self._namespace, RECORD_LABEL):
            await self._applier.remove(record, CONFIG_MAP)
        # Before the Secrets that own them: a garbage collector takes its time.
        for use in await self._applier.list_objects(CONFIG_MAP, self._namespace, BATCH_LABEL):
            await self._applier.remove(use, CONFIG_MAP)
        found = await self._applier.list_objects(SECRET, self._namespace, REGISTRATION_SELECTOR)
        for name in (CA_SECRET, HOST_SECRET, WIPE_GRANTS_SECRET):
            secret = await self._applier.get_or_none(SECRET, name, self._namespace)
            found += [secret] if secret else []
        for secret in found:
            await self._applier.remove(secret, SECRET)
        for name in (CERTIFICATES_CONFIG_MAP, ROLLOVER_CONFIG_MAP):
            config_map = await self._applier.get_or_none(CONFIG_MAP, name, self._namespace)
            if config_map is not None:
                await self._applier.remove(config_map, CONFIG_MAP)

    async def remove_namespace(self) -> None:
        """Remove the namespace if flotta created it and nothing would be lost with it."""
        live = await self._applier.get_or_none(NAMESPACE, self._namespace)
        if live is None or not is_ours(live):
            return
        left = await self._list_losses()
        if left:
            shown = f"{', '.join(left[:4])}{' and more' if len(left) > 4 else ''}"
            self.outcome.kept.append(f"Namespace {self._namespace} with {shown}")
            return
        await self._applier.remove(live, NAMESPACE)
        await self._wait(
            self._namespace_is_gone,
            f"Namespace {self._namespace} still exists after {self._timeout:.0f} s; "
            f"kubectl get namespace {self._namespace} -o yaml shows what blocks it",
        )

    async def _wait(self, condition: Callable[[], Awaitable[bool]], sentence: str) -> None:
        """Wait for the condition unless the user does not wait.

        Raises InstallationError with the sentence when it takes too long.
        """
        if not self._timeout or self._applier.check_mode:
            return
        if not await self._deadline.wait_until(condition):
            raise InstallationError(sentence)

    async def note_kept_fleet(self) -> None:
        """Note how many objects of the fleet stay, unless it is that of another control plane."""
        if await find_other_namespace(self._applier, self._namespace):
            return
        for kind in FLEET:
            if count := len(await self._applier.list_objects(kind)):
                self.outcome.kept.append(f"{count} {kind.kind}")

    async def _list_losses(self) -> list[str]:
        """Return what would be lost with the namespace, without what is being removed."""
        gone = {change.title for change in self._applier.changes if change.after is None}
        return [
            item for item in await list_contents(self._applier, self._namespace) if item not in gone
        ]

    async def _namespace_is_gone(self) -> bool:
        return not await self._applier.exists(NAMESPACE, self._namespace)
