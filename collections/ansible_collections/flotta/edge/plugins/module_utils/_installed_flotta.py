# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
"""Clients of the flotta-edge that is installed on this machine, for plugins that know the copy in `_flotta` only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.errors import (
    Unreachable,
    raise_error,
)

import_errors: list[ImportError] = []
try:
    from flotta.cli.certificates_directory import DirectoryClient
    from flotta.resources import kinds
    from flotta.resources.errors import ApiError
except ImportError as error:
    import_errors.append(error)


@contextmanager
def own_errors() -> Iterator[None]:
    """Raise an ApiError of flotta-edge as the same error of the copy."""
    try:
        yield
    except ApiError as error:
        if error.status == 0:
            raise Unreachable(0, error.reason, error.message) from error.__cause__
        raise_error(
            error.status,
            {"reason": error.reason, "message": error.message, "details": error.details},
        )


class CertificatesDirectory:
    """The `DirectoryClient` of a directory, with kinds and errors of the copy. Raises ValueError as that does."""

    def __init__(self, path: Any) -> None:
        self._client = DirectoryClient(path)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._client, name)

        async def call(kind: Any = None, *arguments: Any, **named: Any) -> Any:
            first = () if kind is None else (_own_kind(kind),)
            with own_errors():
                return await method(*first, *arguments, **named)

        return call


def _own_kind(kind: Any) -> Any:
    """Return the kind of flotta-edge with the name of another."""
    return next(own for own in kinds.ALL if own.kind == kind.kind)
