"""Apply and PUT can create, but not for users who may only change objects."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from contract.api import Api, core, device, devices
from contract.cluster import RBAC, wait_for_rights
from contract.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contract.cluster import Cluster

CHANGER = "changer"
RULE = {
    "apiGroups": ["", "coordination.k8s.io", "management.project-flotta.io"],
    "resources": ["configmaps", "events", "leases", "edgedevices", "edgedevices/status"],
    "verbs": ["get", "update", "patch"],
}
ENGINE_WITH_RULE = f"""
import sys
from flotta.cli.apiserver import main
from flotta.resources import roles
own = roles.load().roles
added = roles.Role("{CHANGER}", frozenset(["{CHANGER}"]), (roles.Rule.of({RULE!r}),))
roles.load = lambda: roles.Authorizer([*own, added])
sys.exit(main())
"""


class EngineWithRule(Engine):
    """The embedded engine with one more role."""

    def _program(self, name: str) -> list[str]:
        return [sys.executable, "-c", ENGINE_WITH_RULE, *super()._program(name)[3:]]


def bind(cluster: Cluster) -> None:
    """Give the user the same permissions on a real API server."""
    admin = Api(cluster.kubeconfig("admin"))
    head = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": CHANGER}}
    role = head | {"kind": "ClusterRole", "rules": [RULE]}
    admin.create(f"{RBAC}/clusterroles", role)
    group = {"apiGroup": "rbac.authorization.k8s.io"}
    binding = {
        "roleRef": group | {"kind": "ClusterRole", "name": CHANGER},
        "subjects": [group | {"kind": "User", "name": CHANGER}],
    }
    bound = head | binding | {"kind": "ClusterRoleBinding"}
    admin.create(f"{RBAC}/clusterrolebindings", bound)
    wait_for_rights(admin, [role, bound])


@pytest.fixture(scope="module", params=["embedded", "kubernetes"])
def users(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Api, Api]]:
    """Return the administrator, and a user who may read and change but not create."""
    if request.param == "embedded":
        engine = EngineWithRule(tmp_path_factory.mktemp("rule"))
        engine.start()
        yield Api(engine.kubeconfig("admin")), Api(engine.kubeconfig(CHANGER, ()))
        engine.stop()
    else:
        cluster = request.getfixturevalue("cluster")
        bind(cluster)
        yield Api(cluster.kubeconfig("admin")), Api(cluster.kubeconfig(CHANGER, ()))


def lease(name: str) -> dict[str, Any]:
    head = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
    return head | {"metadata": {"name": name}, "spec": {"leaseDurationSeconds": 5}}


def event(name: str) -> dict[str, Any]:
    involved = {"kind": "EdgeDevice", "name": "d", "namespace": "default"}
    return {"metadata": {"name": name}, "involvedObject": involved, "reason": "Tested"}


LEASE = "/apis/coordination.k8s.io/v1/namespaces/default/leases/absent"
EVENT = core("default", "events", "absent")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (devices("default", "absent"), device("absent")),
        (LEASE, lease("absent")),
    ],
)
def test_apply_creates_only_with_permission_to_create(
    users: tuple[Api, Api], path: str, body: dict[str, Any]
) -> None:
    admin, changer = users
    for query in ("fieldManager=m", "fieldManager=m&force=true", "fieldManager=m&dryRun=All"):
        refused = changer.apply(path, body, query)
        assert (refused.status, refused.body["reason"]) == (403, "Forbidden")
        assert refused.body["details"]["name"] == "absent"
    assert admin.get(path).status == 404
    assert admin.apply(path, body, "fieldManager=m").status == 201
    assert changer.apply(path, body, "fieldManager=m").status == 200
    admin.delete(path)


def test_apply_to_the_status_of_a_missing_object_is_not_found(users: tuple[Api, Api]) -> None:
    _, changer = users
    path = devices("default", "absent")
    assert changer.apply(f"{path}/status", device("absent"), "fieldManager=m").status == 404
    assert changer.merge(path, {}).status == 404


@pytest.mark.parametrize(("path", "body"), [(LEASE, lease("absent")), (EVENT, event("absent"))])
def test_put_creates_only_with_permission_to_create(
    users: tuple[Api, Api], path: str, body: dict[str, Any]
) -> None:
    admin, changer = users
    refused = changer.put(path, body)
    assert (refused.status, refused.body["reason"]) == (403, "Forbidden")
    assert admin.get(path).status == 404
    created = admin.put(path, body)
    assert created.status == 201
    assert changer.put(path, created.body).status == 200
    admin.delete(path)
