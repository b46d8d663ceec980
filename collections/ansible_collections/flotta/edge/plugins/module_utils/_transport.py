# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
"""HTTP to one API server by the package kubernetes, for the client that plugins have of the resource API.

Its methods are those of flotta.resources.transport, as far as plugins need them. They block: a plugin does one thing at a time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import_errors: list[ImportError] = []
try:
    import urllib3
    from kubernetes import client as kubernetes_client
    from kubernetes import config as kubernetes_config
    from yaml import YAMLError
except ImportError as error:
    import_errors.append(error)

from ansible_collections.flotta.edge.plugins.module_utils._flotta.backoff import Backoff
from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.errors import (
    Unreachable,
    raise_error,
)

if TYPE_CHECKING:
    Query = Mapping[str, "str | int | None"]
else:
    Query = Mapping  # an older Python cannot subscript it

JSON = "application/json"
USER_AGENT = "flotta"  # the field manager of our writes, in managedFields
REQUEST_TIMEOUT = 30.0  # seconds
BUSY = 429  # Too Many Requests (RFC 6585): API Priority and Fairness asks to retry later
MAX_ATTEMPTS = 5  # requests in all while the server is busy
BUSY_RETRY = 0.5, 10.0  # first and longest seconds until a request to a busy server is retried


class Transport:
    """A connection pool.

    `read_body` raises ApiError: Unreachable, or the error of the server's Status.
    """

    def __init__(self, api: Any) -> None:
        self._api = api  # kubernetes.client.ApiClient
        self._host: str = api.configuration.host

    @classmethod
    async def connect(cls, kubeconfig: str | None, context: str | None) -> Transport:
        """Return a transport for a kubeconfig (a path), or for the service account of the pod. Raises ValueError with a sentence."""
        configuration = kubernetes_client.Configuration()
        try:
            if kubeconfig:
                kubernetes_config.load_kube_config(  # type: ignore[no-untyped-call, unused-ignore]
                    kubeconfig, context, client_configuration=configuration, persist_config=False
                )
            else:
                kubernetes_config.load_incluster_config(  # type: ignore[no-untyped-call, unused-ignore]
                    client_configuration=configuration
                )
            return cls(kubernetes_client.ApiClient(configuration))
        except (
            *(kubernetes_config.ConfigException, YAMLError, OSError),
            *(TypeError, KeyError, AttributeError, ValueError),
        ) as error:  # the loader does not check the structure of the file first
            reason = " ".join(str(error).split())
            raise ValueError(_describe_unusable(kubeconfig, context, reason)) from error

    async def close(self) -> None:
        """Close the connections."""
        self._api.rest_client.pool_manager.clear()

    async def read_body(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: object = None,
        content_type: str = JSON,
    ) -> bytes:
        """Return the whole body. Query parameters that are None are left out."""
        given = {key: value for key, value in (query or {}).items() if value is not None}
        url = self._host + path + ("?" + urlencode(given) if given else "")
        content = None if body is None else json.dumps(body).encode()
        response = self._send_until_served(method, url, content, content_type)
        data: bytes = response.data
        if response.status >= 400:
            raise_error(response.status, _read_status(data))
        return data

    def _send_until_served(
        self, method: str, url: str, content: bytes | None, content_type: str
    ) -> Any:
        """Return the first response of a server that is not too busy, or the last one."""
        backoff = Backoff(*BUSY_RETRY)
        for _attempt in range(MAX_ATTEMPTS - 1):
            response = self._send(method, url, content, content_type)
            if response.status != BUSY:
                return response
            time.sleep(_retry_after(response, backoff))
        return self._send(method, url, content, content_type)

    def _send(self, method: str, url: str, content: bytes | None, content_type: str) -> Any:
        headers = {"Accept": JSON, "Content-Type": content_type, "User-Agent": USER_AGENT}
        for setting in self._api.configuration.auth_settings().values():
            headers[setting["key"]] = setting["value"]
        try:
            return self._api.rest_client.pool_manager.request(
                method,
                url,
                body=content,
                headers=headers,
                timeout=urllib3.Timeout(total=REQUEST_TIMEOUT),
                retries=False,
                redirect=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            cause = error.__cause__ or error.__context__ or error
            raise Unreachable(
                0, "Unreachable", f"no response from {self._host}: {cause or type(cause).__name__}"
            ) from cause


def _describe_unusable(kubeconfig: str | None, context: str | None, reason: str) -> str:
    """Return why a kubeconfig cannot be used, and what to do."""
    if not kubeconfig:
        return f"The service account of this pod cannot be used: {reason}."
    names = _list_contexts(kubeconfig)
    if context and names and context not in names:
        return f"{kubeconfig} has no context {context}; use one of: {', '.join(names)}"
    return f"The kubeconfig {kubeconfig} cannot be used ({reason}); correct it, or set kubeconfig to the file that kubectl uses."


def _list_contexts(kubeconfig: str) -> list[str]:
    """Return the names of the contexts of a kubeconfig, none if it is broken."""
    try:
        contexts, _active = kubernetes_config.list_kube_config_contexts(  # type: ignore[no-untyped-call, unused-ignore]
            kubeconfig
        )
        return [str(context["name"]) for context in contexts]
    except Exception:
        return []


def _retry_after(response: Any, backoff: Backoff) -> float:
    """Return the seconds until the next attempt: those of Retry-After, else of the back-off."""
    text = response.headers.get("Retry-After", "")
    _first, longest = BUSY_RETRY
    return min(float(text), longest) if text.isdecimal() else backoff.next()


def _read_status(data: bytes) -> Any:
    try:
        status = json.loads(data)
    except ValueError:
        status = None
    return status if isinstance(status, dict) else {"message": data.decode(errors="replace")[:256]}
