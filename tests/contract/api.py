"""Raw HTTP against a resource API: nothing between the test and the wire."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GROUP = "/apis/management.project-flotta.io/v1alpha1"
JSON = {"Content-Type": "application/json"}
MERGE = {"Content-Type": "application/merge-patch+json"}
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}
APPLY = {"Content-Type": "application/apply-patch+yaml"}


@dataclass(frozen=True)
class Response:
    status: int
    headers: http.client.HTTPMessage
    content: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.content)

    @property
    def warnings(self) -> list[str]:
        return self.headers.get_all("Warning") or []

    @property
    def version(self) -> str:
        version: str = self.body["metadata"]["resourceVersion"]
        return version

    @property
    def causes(self) -> set[tuple[str, str]]:
        return {(cause["reason"], cause["field"]) for cause in self.body["details"]["causes"]}


class Api:
    """One user at one API server; every request has its own connection."""

    def __init__(self, kubeconfig: Path, *, anonymous: bool = False) -> None:
        content = yaml.safe_load(kubeconfig.read_text())
        cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
        address = urlsplit(cluster["server"])
        self.host, self.port = address.hostname or "", address.port or 443
        self.context = ssl.create_default_context(
            cadata=base64.b64decode(cluster["certificate-authority-data"]).decode()
        )
        if not anonymous:
            self._load_identity(user)

    def _load_identity(self, user: dict[str, str]) -> None:
        with tempfile.NamedTemporaryFile() as file:
            for part in ("client-certificate-data", "client-key-data"):
                file.write(base64.b64decode(user[part]))
            file.flush()
            self.context.load_cert_chain(file.name)

    def connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self.host, self.port, context=self.context, timeout=60)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Response:
        connection = self.connect()
        raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        try:
            connection.request(method, path, raw, headers or {})
            response = connection.getresponse()
            return Response(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Response:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Response:
        return self.request("POST", path, body, JSON if headers is None else headers)

    def create(self, path: str, body: Any) -> Any:
        """POST that must succeed; returns the object."""
        response = self.post(path, body)
        assert response.status == 201, response.content
        return response.body

    def put(self, path: str, body: Any) -> Response:
        return self.request("PUT", path, body, JSON)

    def merge(self, path: str, body: Any) -> Response:
        return self.request("PATCH", path, body, MERGE)

    def json_patch(self, path: str, *operations: dict[str, Any]) -> Response:
        return self.request("PATCH", path, list(operations), JSON_PATCH)

    def apply(self, path: str, body: Any, query: str) -> Response:
        return self.request("PATCH", f"{path}?{query}", body, APPLY)

    def delete(self, path: str, body: Any = None) -> Response:
        return self.request("DELETE", path, body, JSON)

    def watch(self, path: str, query: str = "", **headers: str) -> Stream:
        return Stream(self, f"{path}?watch=true&{query}", headers)


class Stream:
    """An open watch."""

    def __init__(self, api: Api, path: str, headers: dict[str, str]) -> None:
        self._connection = api.connect()
        self._connection.request("GET", path, headers=headers)
        self.response = self._connection.getresponse()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def next(self) -> dict[str, Any]:
        """Return the next event; fails after the connection's time limit."""
        line = self.response.readline()
        assert line, "the watch ended"
        event: dict[str, Any] = json.loads(line)
        return event

    def take(self, number: int) -> list[dict[str, Any]]:
        return [self.next() for _ in range(number)]

    def rest(self) -> Iterator[dict[str, Any]]:
        """Every event until the server ends the stream."""
        while line := self.response.readline():
            yield json.loads(line)


def device(name: str, spec: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    """Return an EdgeDevice."""
    return {
        "apiVersion": "management.project-flotta.io/v1alpha1",
        "kind": "EdgeDevice",
        "metadata": {"name": name, **metadata},
        "spec": spec or {},
    }


def config_map(name: str, data: dict[str, str] | None = None, **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, **metadata},
        "data": data or {},
    }


def devices(namespace: str, name: str = "") -> str:
    path = f"{GROUP}/namespaces/{namespace}/edgedevices"
    return f"{path}/{name}" if name else path


def core(namespace: str, plural: str, name: str = "") -> str:
    path = f"/api/v1/namespaces/{namespace}/{plural}"
    return f"{path}/{name}" if name else path
