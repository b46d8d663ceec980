"""The SecretStore and the AuthorityStore on a directory, for a backend to use."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from flotta.edge_api.backends.authority_store import LeftBehind
from flotta.edge_api.backends.backend import SecretConflict, StoredSecret
from flotta.edge_api.backends.files.directory import SecretDirectory
from flotta.edge_api.backends.files.watch import Watch
from flotta.edge_api.backends.files.worker import Worker
from flotta.fleet.rollover import answer_data, read_request
from flotta.identity.rollover import RolloverAnswer, RolloverRequest
from flotta.own_names import CERTIFICATES_CONFIG_MAP, ROLLOVER_CONFIG_MAP
from flotta.protocol.reasons.reason import Code

log = logging.getLogger(__name__)


class Files:
    """Both stores; a backend runs it beside itself."""

    def __init__(self, path: Path) -> None:
        directory = SecretDirectory(path)
        self._worker = Worker()
        self._watch = Watch(directory, self._worker)
        self.secrets = FileSecrets(directory, self._watch, self._worker)
        self.authority = FileAuthority(directory, self._watch, self._worker)

    async def run(self) -> None:
        """Tell of changes until cancelled."""
        await self._watch.run()

    async def close(self) -> None:
        """End what works on the files."""
        self._worker.close()


class FileSecrets:
    """A SecretStore."""

    def __init__(self, directory: SecretDirectory, watch: Watch, worker: Worker) -> None:
        self._directory = directory
        self._watch = watch
        self._worker = worker
        self._said: set[str] = set()  # what is wrong, and was logged

    async def read(self, name: str) -> StoredSecret | None:
        """Return a secret as of now, None when it does not exist."""
        await self._worker.do(self._directory.prepare)
        return await self._worker.do(self._directory.read, name)

    async def create(
        self, name: str, data: Mapping[str, bytes], *, registration: bool = False
    ) -> StoredSecret:
        """Create a secret and return it, or the one that another server created first."""
        create = self._directory.create
        return await self._worker.do(create, name, data, registration=registration)

    async def replace(
        self, secret: StoredSecret, data: Mapping[str, bytes], *, problem: str | None = None
    ) -> None:
        """Replace the data of a secret; raises SecretConflict when it changed."""
        await self._worker.do(self._directory.replace, secret, data, problem=problem)

    async def remove(self, secret: StoredSecret) -> None:
        """Remove a secret; raises SecretConflict when it changed."""
        await self._worker.do(self._directory.remove, secret)

    async def list_registration_secrets(self) -> list[StoredSecret]:
        """Return the secrets that are marked as ones with a registration certificate."""
        return [secret for secret in await self._read_all() if secret.registers]

    async def list_server_requests(self) -> list[StoredSecret]:
        """Return the secrets with a request."""
        return [secret for secret in await self._read_all() if secret.serves]

    def subscribe(self, changed: Callable[[str], None]) -> None:
        """Call `changed(name)` when a secret was created, changed or removed."""
        self._watch.subscribe(changed)

    async def _read_all(self) -> list[StoredSecret]:
        await self._worker.do(self._directory.prepare)
        secrets, problems = await self._worker.do(self._directory.read_all)
        for sentence in problems:
            if sentence not in self._said:
                log.warning("A Secret is left out: %s", sentence)
        self._said = set(problems)
        return secrets


class FileAuthority:
    """An AuthorityStore: requests and public certificates are directories beside the secrets.

    They have the names and keys of the ConfigMaps that they are in the resource API.
    """

    def __init__(self, directory: SecretDirectory, watch: Watch, worker: Worker) -> None:
        self._directory = directory
        self._watch = watch
        self._worker = worker

    async def read_request(self) -> RolloverRequest | None:
        """Return the request that has no answer yet."""
        await self._worker.do(self._directory.prepare)
        secret = await self._worker.do(self._directory.read, ROLLOVER_CONFIG_MAP)
        return _request_of(secret)

    async def answer(self, request: RolloverRequest, answer: RolloverAnswer) -> None:
        """Write the answer, unless another server did, or there is another request."""
        secret = await self._worker.do(self._directory.read, ROLLOVER_CONFIG_MAP)
        if secret is None or _request_of(secret) != request:
            return
        data = {key: text.encode() for key, text in answer_data(request, answer).items()}
        with contextlib.suppress(SecretConflict):
            await self._worker.do(self._directory.replace, secret, {**secret.data, **data})

    async def find_left_behind(self, authority: str) -> LeftBehind:
        """Return that nobody knows: the devices are in a store that says nothing about it."""
        return LeftBehind(is_uncounted=True)

    async def publish(self, certificates: Mapping[str, str]) -> None:
        """Write the certificates if they differ from those that are published."""
        data = {name: pem.encode() for name, pem in certificates.items()}
        found = await self._worker.do(self._directory.read, CERTIFICATES_CONFIG_MAP)
        if found is None:
            await self._worker.do(self._directory.create, CERTIFICATES_CONFIG_MAP, data)
        elif dict(found.data) != data:
            with contextlib.suppress(SecretConflict):  # another server publishes the same
                await self._worker.do(self._directory.replace, found, data)

    async def warn(self, secret: str, code: Code, sentence: str) -> None:
        """Nothing more than the log, which has it already."""

    def subscribe(self, changed: Callable[[], None]) -> None:
        """Call `changed` when a request may have come."""

        def secret_changed(name: str) -> None:
            if name == ROLLOVER_CONFIG_MAP:
                changed()

        self._watch.subscribe(secret_changed)


def _request_of(secret: StoredSecret | None) -> RolloverRequest | None:
    if secret is None:
        return None
    texts = {key: value.decode(errors="replace") for key, value in secret.data.items()}
    return read_request(
        {"metadata": {"name": secret.name}, "data": {k: v.strip() for k, v in texts.items()}}
    )
