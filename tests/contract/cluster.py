"""A real Kubernetes API with our kinds and our roles."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from flotta.apiserver.pki import USERS
from flotta.installation.options import Storage
from flotta.installation.rights import rights
from flotta.installation.settings import Installation
from flotta.resources import crds
from servers.api_server import KubernetesApi

from .api import Api

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
PATHS = {
    "ServiceAccount": "/api/v1/namespaces/flotta/serviceaccounts",
    "ClusterRole": f"{RBAC}/clusterroles",
    "ClusterRoleBinding": f"{RBAC}/clusterrolebindings",
    "Role": f"{RBAC}/namespaces/flotta/roles",
    "RoleBinding": f"{RBAC}/namespaces/flotta/rolebindings",
}


class Cluster:
    """kube-apiserver, etcd and kube-controller-manager, prepared as an installation would."""

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        self._server = KubernetesApi(folder, options)

    def start(self) -> None:
        self._server.start()
        admin = Api(self.kubeconfig("admin"))
        install_kinds(admin)
        install_roles(admin)
        self._server.restart_controllers()

    def restart_api_server(self) -> None:
        """Kill the API server and start it again on the same data."""
        self._server.restart_api_server()

    def stop(self) -> None:
        self._server.stop()

    def kubeconfig(self, user: str, groups: Sequence[str] | None = None) -> Path:
        """The kubeconfig of a component or, with groups, of a user made for the test."""
        if groups is None:
            user, groups = USERS[user]
        return self._server.kubeconfig(user, groups)


def install_kinds(admin: Api) -> None:
    """Create our CustomResourceDefinitions; returns when everything about them is served."""
    definitions = crds.load()
    for definition in definitions:
        admin.create(CRDS, definition)
    for definition in definitions:
        spec = definition["spec"]
        path = f"/apis/{spec['group']}/{spec['versions'][0]['name']}"
        _wait_for(admin, f"{path}/{spec['names']['plural']}")
        _wait_for(admin, f"/openapi/v3{path}", f'"{spec["names"]["kind"]}"')


def install_roles(admin: Api) -> None:
    """Create the roles that an installation creates, bound to users of the accounts' names as well."""
    admin.create("/api/v1/namespaces", {"metadata": {"name": "flotta"}})
    storage = Storage("https://s3.example:9000", shared_keys=True)
    for obj in rights(Installation(s3=storage)):
        if "subjects" in obj:
            user = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User"}
            obj["subjects"] += [user | {"name": item["name"]} for item in obj["subjects"]]
        admin.create(PATHS[obj["kind"]], obj)


def _wait_for(admin: Api, path: str, text: str = "") -> None:
    """Wait until a path is served and its answer has a text in it."""
    end = time.monotonic() + 30
    while (answer := admin.get(path)).status != 200 or text.encode() not in answer.content:
        assert time.monotonic() < end, f"{path} is not served: {answer.status}"
        time.sleep(0.1)
