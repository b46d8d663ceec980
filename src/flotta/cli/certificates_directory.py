"""The directory of an Edge API's certificates, for commands and modules that work on Secrets.

They see it as a resource API that holds the Secrets and ConfigMaps of the control plane, and no
objects of other kinds (docs/reference/control-plane.md#certificates-in-a-directory).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, cast

from flotta.edge_api.backends.backend import BackendError, SecretConflict, StoredSecret
from flotta.edge_api.backends.files.directory import SecretDirectory
from flotta.fleet.registration_batches import ERROR_ANNOTATION
from flotta.merge_patch import apply_merge_patch
from flotta.own_names import (
    CERTIFICATES_CONFIG_MAP,
    REGISTRATION_LABEL,
    ROLLOVER_CONFIG_MAP,
    SERVER_ERROR_ANNOTATION,
    SERVER_LABEL,
)
from flotta.resources.client import AlreadyExists, ApiError, Client, Conflict, NotFound
from flotta.resources.kinds import CONFIG_MAP, SECRET, Kind, ResourceT
from flotta.resources.objects.core import KeyedData
from flotta.resources.objects.meta import MergePatch
from flotta.resources.views import annotations_of, labels_of, name_of

CONFIG_MAPS = (CERTIFICATES_CONFIG_MAP, ROLLOVER_CONFIG_MAP)
Objects = list[ResourceT]  # `list` hides the name of the type


class DirectoryClient(Client):
    """A client of the directory. It raises ValueError with a sentence when that cannot be used."""

    def __init__(self, path: Path) -> None:
        _require_directory(path)
        self._directory = SecretDirectory(path)

    async def close(self) -> None:
        """Nothing is open."""

    async def get(
        self, kind: Kind[ResourceT], name: str, namespace: str | None = None
    ) -> ResourceT:
        """Return a Secret or ConfigMap; there is no object of another kind."""
        stored = self._find(kind, name)
        if stored is None:
            raise NotFound(404, "NotFound", f"there is no {kind.kind} {name}")
        return _object(kind, stored, namespace or "")

    async def list(
        self,
        kind: Kind[ResourceT],
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Objects[ResourceT]:
        """Return the Secrets with a label, `key=value`; there are no objects of other kinds."""
        if kind is not SECRET:
            return []
        key, _, value = (label_selector or "").partition("=")
        with _explained():
            stored, _ = self._directory.read_all()
        found = [_object(kind, secret, namespace or "") for secret in stored if _is_secret(secret)]
        return [item for item in found if not key or labels_of(item).get(key) == value]

    async def create(
        self, kind: Kind[ResourceT], obj: ResourceT, *, dry_run: bool = False
    ) -> ResourceT:
        """Create a Secret, or the ConfigMap of a request about the CA."""
        name = name_of(obj)
        if self._find(kind, name, writing=True) is not None:
            raise AlreadyExists(409, "AlreadyExists", f"{kind.kind} {name} exists")
        if dry_run:
            return obj
        registers = labels_of(obj).get(REGISTRATION_LABEL) == "true"
        with _explained():
            stored = self._directory.create(name, _data(kind, obj), registration=registers)
        return _object(kind, stored, "")

    async def merge_patch(
        self,
        kind: Kind[ResourceT],
        name: str,
        namespace: str | None,
        patch: MergePatch,
        subresource: str | None = None,
        *,
        dry_run: bool = False,
    ) -> ResourceT:
        """Patch data and the note of what is wrong; other metadata stays as it is."""
        stored = self._find(kind, name, writing=True)
        if stored is None:
            raise NotFound(404, "NotFound", f"there is no {kind.kind} {name}")
        before = _object(kind, stored, namespace or "")
        patched: ResourceT = apply_merge_patch(before, patch)
        if patched["metadata"]["resourceVersion"] != stored.version:
            raise Conflict(409, "Conflict", f"{name} was changed since it was read")
        if dry_run:
            return patched
        problem = annotations_of(patched).get(_annotation(stored), "")
        with _explained():
            new = self._directory.replace(stored, _data(kind, patched), problem=problem)
        return _object(kind, new, namespace or "")

    async def delete(
        self,
        kind: Kind[ResourceT],
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        """Remove a Secret."""
        stored = self._find(kind, name, writing=True)
        if stored is None:
            raise NotFound(404, "NotFound", f"there is no {kind.kind} {name}")
        if resource_version not in (None, stored.version):
            raise Conflict(409, "Conflict", f"{name} was changed since it was read")
        with _explained():
            self._directory.remove(stored)

    async def _request_json(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse what only a resource API can do."""
        raise _needs_api()

    def _find(
        self, kind: Kind[ResourceT], name: str, *, writing: bool = False
    ) -> StoredSecret | None:
        is_kept = (kind is CONFIG_MAP) == (name in CONFIG_MAPS) and kind in (SECRET, CONFIG_MAP)
        if not is_kept:
            if writing:
                raise _needs_api()
            return None
        with _explained():
            return self._directory.read(name)


def _require_directory(path: Path) -> None:
    try:
        is_there = path.is_dir()
    except PermissionError as error:
        raise ValueError(f"{path} cannot be looked at: {error.strerror}; run as root") from error
    if not is_there:
        raise ValueError(
            f"there is no directory {path}; name the CERTIFICATES_DIR of the Edge API, on its "
            "host. An Edge API makes it when it first starts"
        )


def _needs_api() -> ApiError:
    return ApiError(
        405,
        "MethodNotAllowed",
        "this needs a resource API; --certificates-dir is a directory with certificates alone",
    )


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except SecretConflict as error:
        raise Conflict(409, "Conflict", str(error)) from error
    except BackendError as error:
        raise ValueError(str(error)) from error


def _is_secret(stored: StoredSecret) -> bool:
    return stored.name not in CONFIG_MAPS


def _annotation(stored: StoredSecret) -> str:
    return SERVER_ERROR_ANNOTATION if stored.serves else ERROR_ANNOTATION


def _object(kind: Kind[ResourceT], stored: StoredSecret, namespace: str) -> ResourceT:
    labels = {REGISTRATION_LABEL: stored.registers, SERVER_LABEL: stored.serves}
    found: KeyedData = {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {
            "name": stored.name,
            "namespace": namespace,
            "uid": stored.name,
            "resourceVersion": stored.version,
            "labels": {label: "true" for label, has in labels.items() if has},
            "annotations": {_annotation(stored): stored.problem} if stored.problem else {},
        },
        "data": {key: _text(kind, value) for key, value in stored.data.items()},
    }
    return cast("ResourceT", found)


def _text(kind: Kind[ResourceT], value: bytes) -> str:
    if kind is SECRET:
        return base64.b64encode(value).decode()
    return value.decode(errors="replace").strip()


def _data(kind: Kind[ResourceT], obj: ResourceT) -> dict[str, bytes]:
    given = cast("Mapping[str, Any]", obj).get("data") or {}
    if kind is SECRET:
        return {key: base64.b64decode(value) for key, value in given.items()}
    return {key: value.encode() for key, value in given.items()}
