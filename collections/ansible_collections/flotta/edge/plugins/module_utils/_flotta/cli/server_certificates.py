# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/cli/server_certificates.py: change that.
"""Asks for the certificates of other servers, for `flotta certificates` and the module.

Nothing here reads the key of the Flotta CA: the Edge API fills what is asked for
(docs/reference/control-plane.md#certificates-of-other-servers).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..cli.issuance import wait_issued
from ..dns1123 import is_subdomain
from ..fleet.issued_servers import (
    IssuedServer,
    derive_name,
    encode_request,
    is_server,
    make_server,
    read_server,
)
from ..identity.server_requests import REQUEST_KEY
from ..own_names import OWN_SECRET_NAMES, SERVER_ERROR_ANNOTATION, SERVER_SELECTOR
from ..resources.client import Client, retry_on_conflict
from ..resources.kinds import SECRET
from ..resources.objects.core import Secret
from ..resources.views import uid_of


@dataclass(frozen=True)
class ServerCertificates:
    """The certificates of other servers that one control plane issues."""

    client: Client
    namespace: str  # of the control plane

    async def find(self, name: str) -> IssuedServer | None:
        """Return what a Secret asks for, None when it does not exist.

        Raises ValueError with a sentence when the Secret of that name is something else.
        """
        secret = await self._find(name)
        return read_server(secret) if secret else None

    async def choose_name(self, given: str | None, names: Sequence[str]) -> str:
        """Return the name of the Secret for a server: the given one, else that of its first name.

        Several servers can come to the same one then; raises ValueError for the later of them.
        """
        name = given or derive_name(names[0])
        found = None if given else await self.find(name)
        if found is not None and found.names and names[0] not in found.names:
            raise ValueError(
                f"the Secret {self.namespace}/{name} is for another server, "
                f"{', '.join(found.names)}; choose a name for the Secret of {names[0]}"
            )
        return name

    async def list(self) -> list[IssuedServer]:
        """Return all of them by name."""
        secrets = await self.client.list(SECRET, self.namespace, label_selector=SERVER_SELECTOR)
        return sorted(map(read_server, secrets), key=lambda server: server.name)

    async def ask(self, name: str, names: Sequence[str], *, dry_run: bool = False) -> bool:
        """Ask for a certificate with these names, in a form of `check_names`.

        Return whether that changed the request. Raises ValueError, and AlreadyExists.
        """

        async def attempt() -> bool:
            secret = await self._find(name)
            if secret is None:
                server = make_server(name, self.namespace, names)
                await self.client.create(SECRET, server, dry_run=dry_run)
                return True
            if set(read_server(secret).names) == set(names):
                return False
            await self._write(secret, names, dry_run=dry_run)
            return True

        return await retry_on_conflict(attempt)

    async def remove(self, name: str) -> bool:
        """Remove a Secret with its certificate; return whether there was one.

        The server can use the certificate until that expires.
        """
        secret = await self._find(name)
        if secret is None:
            return False
        await self.client.delete(SECRET, name, self.namespace, uid=uid_of(secret))
        return True

    async def wait_issued(self, name: str, patience: float, interval: float) -> IssuedServer:
        """Return the certificate once the Edge API has issued it; both times are seconds.

        Raises ValueError with what is wrong with the request, TimeoutError with what to look at.
        """
        certificate = f"the certificate {name}"
        return await wait_issued(
            lambda: self._get(name),
            *(certificate, certificate),
            namespace=self.namespace,
            patience=patience,
            interval=interval,
        )

    async def _get(self, name: str) -> IssuedServer:
        server = await self.find(name)
        if server is None:
            raise ValueError(f"the Secret {self.namespace}/{name} was removed meanwhile")
        return server

    async def _find(self, name: str) -> Secret | None:
        if not is_subdomain(name):
            raise ValueError(
                f"{name!r} cannot be the name of a Secret: use lower-case letters, digits and -"
            )
        if name in OWN_SECRET_NAMES:
            raise ValueError(f"the Edge API keeps something else in {name}; choose another name")
        secret = await self.client.get_or_none(SECRET, name, self.namespace)
        if secret is not None and not is_server(secret):
            raise ValueError(
                f"the Secret {self.namespace}/{name} does not ask for the certificate of a server; "
                "choose another name"
            )
        return secret

    async def _write(self, secret: Secret, names: Sequence[str], *, dry_run: bool = False) -> None:
        metadata = secret["metadata"]
        patch = {
            "metadata": {
                "resourceVersion": metadata["resourceVersion"],
                "annotations": {SERVER_ERROR_ANNOTATION: None},  # it is of the former request
            },
            "data": {REQUEST_KEY: encode_request(names)},
        }
        await self.client.merge_patch(
            SECRET, metadata["name"], self.namespace, patch, dry_run=dry_run
        )
