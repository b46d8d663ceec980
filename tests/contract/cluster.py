"""A real Kubernetes API with our CRDs and our roles."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

from contract.api import Api
from flotta.apiserver.pki import USERS
from flotta.installation.admission_policies import render_admission_policies
from flotta.installation.options import Storage
from flotta.installation.rbac import render_rbac
from flotta.installation.settings import Installation
from flotta.resources import crds
from servers.api_server import KubernetesApi
from waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
PATHS = {
    "ServiceAccount": "/api/v1/namespaces/flotta/serviceaccounts",
    "ClusterRole": f"{RBAC}/clusterroles",
    "ClusterRoleBinding": f"{RBAC}/clusterrolebindings",
    "Role": f"{RBAC}/namespaces/flotta/roles",
    "RoleBinding": f"{RBAC}/namespaces/flotta/rolebindings",
}
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
POLICIES = {
    "ValidatingAdmissionPolicy": f"{ADMISSION}/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": f"{ADMISSION}/validatingadmissionpolicybindings",
}


class Cluster:
    """kube-apiserver, etcd and kube-controller-manager, prepared as an installation would."""

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        self.folder = folder
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
        """Return the kubeconfig of a component or, with groups, of a user made for the test."""
        if groups is None:
            user, groups = USERS[user]
        return self._server.kubeconfig(user, groups)


def install_kinds(admin: Api) -> None:
    """Create our CRDs; return when everything about them is served."""
    definitions = crds.load()
    for definition in definitions:
        admin.create(CRDS, definition)
    for definition in definitions:
        spec = definition["spec"]
        path = f"/apis/{spec['group']}/{spec['versions'][0]['name']}"
        _wait_for(admin, f"{path}/{spec['names']['plural']}")
        _wait_for(admin, f"/openapi/v3{path}", f'"{spec["names"]["kind"]}"')
        _wait_for(admin, "/apis", f'"{spec["names"]["singular"]}"', Accept=AGGREGATED)


def install_roles(admin: Api) -> None:
    """Create the roles of an installation, also bound to users with the accounts' names."""
    admin.create("/api/v1/namespaces", {"metadata": {"name": "flotta"}})
    storage = Storage("https://s3.example:9000", shared_keys=True)
    objects = render_rbac(Installation(s3=storage))
    for obj in objects:
        if "subjects" in obj:
            user = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User"}
            obj["subjects"] += [user | {"name": item["name"]} for item in obj["subjects"]]
        admin.create(PATHS[obj["kind"]], obj)
    install_policies(admin, render_admission_policies(Installation(s3=storage)))
    wait_for_rights(admin, objects)


def install_policies(admin: Api, objects: Sequence[dict[str, Any]]) -> None:
    """Create the policies of an installation, for users with the accounts' names."""
    for obj in objects:
        for condition in obj["spec"].get("matchConditions", []):
            text = condition["expression"].replace("system:serviceaccount:flotta:", "")
            condition["expression"] = text
        admin.create(POLICIES[obj["kind"]], obj)


def wait_for_rights(admin: Api, objects: Sequence[dict[str, Any]]) -> None:
    """Wait until the roles are in effect: the API server learns of them by watches."""
    roles = {(obj["kind"], obj["metadata"]["name"]): obj for obj in objects if "rules" in obj}
    for binding in objects:
        for user in [
            subject for subject in binding.get("subjects", []) if subject["kind"] == "User"
        ]:
            role = roles[binding["roleRef"]["kind"], binding["roleRef"]["name"]]
            for attributes in _attributes(role):
                spec = {"user": user["name"], "resourceAttributes": attributes}
                wait_until(lambda spec=spec: _is_allowed(admin, spec))


def _attributes(role: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Everything that a role allows, one by one."""
    namespace = role["metadata"].get("namespace", "")
    for rule in role["rules"]:
        for group, whole, verb in product(rule["apiGroups"], rule["resources"], rule["verbs"]):
            resource, _, part = whole.partition("/")
            asked = {"group": group, "resource": resource, "subresource": part, "verb": verb}
            for name in rule.get("resourceNames", [""]):
                yield asked | {"namespace": namespace, "name": name}


def _is_allowed(admin: Api, spec: dict[str, Any]) -> bool:
    return bool(admin.create(REVIEWS, {"spec": spec})["status"]["allowed"])


def _wait_for(admin: Api, path: str, text: str = "", **headers: str) -> None:
    """Wait until a path is served and its response contains a text."""

    def is_served() -> bool:
        response = admin.get(path, **headers)
        return response.status == 200 and text.encode() in response.content

    wait_until(is_served)
