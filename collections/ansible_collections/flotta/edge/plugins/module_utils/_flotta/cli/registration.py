# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/cli/registration.py: change that.
"""Issues, ends and reads registration batches, for `flotta registration` and the modules.

Nothing here reads the key of the Flotta CA: a batch is a request, which the Edge API fills
(docs/reference/control-plane.md#registration-batches).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ..cli.authors import name_author
from ..cli.issuance import wait_issued
from ..fleet.batch_specification import check_specification
from ..fleet.issued_batches import (
    IssuedBatch,
    count_uses,
    encode_specification,
    is_batch,
    make_batch,
    read_batch,
)
from ..fleet.joining import REQUEST_NAMESPACE, is_approved, is_declined
from ..fleet.registration_batches import (
    APPROVAL_ANNOTATION,
    BATCH_ANNOTATION,
    BATCH_LABEL,
    DEFAULT_NAMESPACE,
    ERROR_ANNOTATION,
    MAX_BATCH_NAME,
    SPECIFICATION_KEY,
    SpecificationFields,
    is_batch_name,
)
from ..own_names import OWN_SECRET_NAMES, REGISTRATION_SELECTOR
from ..resources.client import Client, Conflict, NotFound, retry_on_conflict
from ..resources.kinds import CONFIG_MAP, SECRET, SIGNED_REQUEST
from ..resources.objects.core import ConfigMap, Secret
from ..resources.objects.devices import SignedRequest
from ..resources.views import annotations_of, name_of, uid_of
from ..rfc3339 import format_time

Change = Callable[[IssuedBatch], SpecificationFields]  # the specification that a batch is to have


@dataclass(frozen=True)
class Batches:
    """The registration batches of one control plane."""

    client: Client
    namespace: str  # of the control plane

    async def find(self, name: str) -> IssuedBatch | None:
        """Return a batch, None when it does not exist.

        Raises ValueError with a sentence when the Secret of that name is something else.
        """
        secret = await self._find(name)
        return read_batch(secret) if secret else None

    async def get(self, name: str) -> IssuedBatch:
        """Return a batch; raises ValueError with a sentence when there is none."""
        return read_batch(await self._get(name))

    async def list(self) -> tuple[list[IssuedBatch], dict[str, int]]:
        """Return every batch by name, and how many of its uses are taken."""
        secrets, uses = await asyncio.gather(
            self.client.list(SECRET, self.namespace, label_selector=REGISTRATION_SELECTOR),
            self.client.list(CONFIG_MAP, self.namespace, label_selector=BATCH_LABEL),
        )
        batches = map(read_batch, secrets)
        return sorted(batches, key=lambda batch: batch.name), count_uses(uses)

    async def create(
        self, name: str, fields: SpecificationFields, *, dry_run: bool = False
    ) -> None:
        """Ask for a batch; raises SpecificationError, and AlreadyExists."""
        require_name(name)
        batch = make_batch(name, self.namespace, fields)
        await self.client.create(SECRET, batch, dry_run=dry_run)

    async def change(self, name: str, change: Change, *, dry_run: bool = False) -> None:
        """Give a batch the specification that `change` returns, unless it has that already.

        What `change` gets is what its answer replaces: whatever somebody writes meanwhile, a
        revocation above all, is read again. Raises SpecificationError, what `change` raises, and
        ValueError when the batch does not exist.
        """

        async def attempt() -> None:
            secret = await self._get(name)
            batch = read_batch(secret)
            fields = change(batch)
            if fields != batch.fields or not batch.is_written:
                await self._write(secret, fields, dry_run=dry_run)

        await retry_on_conflict(attempt)

    async def expire(self, name: str) -> None:
        """End a batch now; one that has ended stays as it is. Raises ValueError."""
        now = datetime.now(UTC)

        def end(batch: IssuedBatch) -> SpecificationFields:
            if batch.state_at(now) in ("expired", "revoked"):
                return batch.fields
            return {**batch.fields, "expires": format_time(now)}

        await self.change(name, end)

    async def revoke(self, name: str, reason: str, program: str) -> None:
        """Revoke a batch; one that is revoked stays as it is. Raises ValueError.

        Of an invalid specification, the namespaces of the certificate are all that is left.
        """
        by = name_author(program)
        at = format_time(datetime.now(UTC))

        def revoked(batch: IssuedBatch) -> SpecificationFields:
            if batch.specification is not None and batch.specification.revoked:
                return batch.fields
            valid = batch.fields if batch.specification is not None else _without_errors(batch)
            return {**valid, "revoked": {"at": at, "by": by, "reason": reason}}

        await self.change(name, revoked)

    async def remove(self, name: str) -> bool:
        """Remove a batch with its certificate; return whether there was one.

        Its uses follow by themselves, as they belong to its Secret.
        """
        secret = await self._find(name)
        if secret is None:
            return False
        await self.client.delete(SECRET, name, self.namespace, uid=uid_of(secret))
        return True

    async def list_undecided(self, name: str) -> Sequence[SignedRequest]:
        """Return the requests with a batch about which nothing decided, neither person nor rule."""
        return [request for request in await self._list_requests(name) if is_undecided(request)]

    async def remove_undecided(self, name: str) -> int:
        """Delete the requests with a batch about which nothing decided; return how many.

        One that is decided meanwhile stays.
        """
        removed = 0
        for request in await self.list_undecided(name):
            with contextlib.suppress(Conflict, NotFound):
                await self.client.delete(
                    SIGNED_REQUEST,
                    name_of(request),
                    REQUEST_NAMESPACE,
                    uid=uid_of(request),
                    resource_version=request["metadata"]["resourceVersion"],
                )
                removed += 1
        return removed

    async def has_approved(self, name: str) -> bool:
        """Tell whether a request with a batch is approved; it goes with its EdgeDevice."""
        return any(is_let_in(request) for request in await self._list_requests(name))

    async def clear(self, name: str) -> None:
        """Remove a batch and its uses, so that one of the same name has none from the beginning."""
        await self.remove(name)
        for use in await self.list_uses(name):
            with contextlib.suppress(NotFound):
                await self.client.delete(CONFIG_MAP, name_of(use), self.namespace, uid=uid_of(use))

    async def list_uses(self, name: str) -> Sequence[ConfigMap]:
        """Return the uses of a batch that are taken."""
        selector = f"{BATCH_LABEL}={name}"
        return await self.client.list(CONFIG_MAP, self.namespace, label_selector=selector)

    async def wait_issued(self, name: str, patience: float, interval: float) -> IssuedBatch:
        """Return a batch once the Edge API has filled it; both times are seconds.

        Raises ValueError with what is wrong with the specification, TimeoutError with what to look
        at.
        """
        batch = f"the registration batch {name}"
        return await wait_issued(
            lambda: self._get_unrevoked(name),
            batch,
            f"the certificate of {batch}",
            namespace=self.namespace,
            patience=patience,
            interval=interval,
        )

    async def _get_unrevoked(self, name: str) -> IssuedBatch:
        batch = await self.get(name)
        if "revoked" in batch.fields:
            raise ValueError(
                f"the registration batch {name} was revoked, and stays so; choose another name or "
                "delete it first"
            )
        return batch

    async def _list_requests(self, name: str) -> Sequence[SignedRequest]:
        """Return the requests with a batch."""
        requests = await self.client.list(SIGNED_REQUEST, REQUEST_NAMESPACE)
        return [item for item in requests if annotations_of(item).get(BATCH_ANNOTATION) == name]

    async def _get(self, name: str) -> Secret:
        secret = await self._find(name)
        if secret is None:
            raise ValueError(
                f"there is no registration batch {name} in namespace {self.namespace}; list the "
                "batches with: flotta registration list"
            )
        return secret

    async def _find(self, name: str) -> Secret | None:
        require_name(name)
        secret = await self.client.get_or_none(SECRET, name, self.namespace)
        if secret is not None and not is_batch(secret):
            raise ValueError(
                f"the Secret {self.namespace}/{name} is not a registration batch; choose another "
                "name"
            )
        return secret

    async def _write(
        self, secret: Secret, fields: SpecificationFields, *, dry_run: bool = False
    ) -> None:
        metadata = secret["metadata"]
        patch = {
            "metadata": {
                "resourceVersion": metadata["resourceVersion"],
                "annotations": {ERROR_ANNOTATION: None},  # it is of the former specification
            },
            "data": {SPECIFICATION_KEY: encode_specification(fields)},
        }
        await self.client.merge_patch(
            SECRET, metadata["name"], self.namespace, patch, dry_run=dry_run
        )


def is_let_in(request: SignedRequest) -> bool:
    """Tell whether a request is approved, or a rule says so and the operator has to follow yet."""
    return is_approved(request) or APPROVAL_ANNOTATION in annotations_of(request)


def is_undecided(request: SignedRequest) -> bool:
    """Tell whether a request waits for a decision of a person or a rule."""
    return not is_let_in(request) and not is_declined(request)


def require_name(name: str) -> None:
    """Raise ValueError with a sentence for what cannot be the name of a batch."""
    if not is_batch_name(name):
        raise ValueError(
            f"{name!r} cannot be the name of a registration batch: use at most {MAX_BATCH_NAME} "
            "lower-case letters, digits and -"
        )
    if name in OWN_SECRET_NAMES:
        raise ValueError(f"the Edge API keeps something else in {name}; choose another name")


def require_future(expires: str, now: datetime) -> datetime:
    """Return the time; raises ValueError with a sentence when it is none, or has passed."""
    time_given = check_specification({"expires": expires}).expires
    if time_given is None or time_given <= now:
        raise ValueError(
            f"expires is {expires}, which has passed. Choose a time to come; to end a batch now, "
            "let it expire or revoke it"
        )
    return time_given


def _without_errors(batch: IssuedBatch) -> SpecificationFields:
    namespaces = batch.peer.namespaces if batch.peer else (DEFAULT_NAMESPACE,)
    return {"namespaces": list(namespaces)}
