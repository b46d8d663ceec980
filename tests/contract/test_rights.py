"""Permissions, and the form of refusals."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import pytest

from contract.api import GROUP, Api, config_map, core, device, devices
from flotta.apiserver.pki import render_kubeconfig as kubeconfig_of
from flotta.identity.authority import Authority
from waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from contract.api import Response
    from contract.conftest import Server
    from contract.engine import Engine

REVIEWS = "/apis/authorization.k8s.io/v1"
SELF = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
LEASES = "/apis/coordination.k8s.io/v1/namespaces"


@pytest.fixture
def bob(engine: Server) -> Api:
    """Return a user with a certificate and without permissions."""
    return Api(engine.kubeconfig("bob", ("group-a", "group-b")))


@pytest.fixture
def operator(engine: Server) -> Api:
    return Api(engine.kubeconfig("operator"))


@pytest.fixture
def edge_api(engine: Server) -> Api:
    return Api(engine.kubeconfig("edge-api"))


def test_refusals_of_requests_for_objects(bob: Api) -> None:
    group = 'in API group "management.project-flotta.io"'
    response = bob.merge(devices("default", "x") + "/status", {})
    assert (response.status, response.body["reason"]) == (403, "Forbidden")
    # `flotta.installation` reads user, verb and resource from this sentence; no field has them.
    assert response.body["message"] == (
        'edgedevices.management.project-flotta.io "x" is forbidden: User "bob" cannot patch '
        f'resource "edgedevices/status" {group} in the namespace "default"'
    )
    assert response.body["details"] == {
        "name": "x",
        "group": "management.project-flotta.io",
        "kind": "edgedevices",
    }
    assert bob.get(f"{GROUP}/edgedevices").body["message"] == (
        'edgedevices.management.project-flotta.io is forbidden: User "bob" cannot list resource '
        f'"edgedevices" {group} at the cluster scope'
    )
    assert 'API group ""' in bob.get(core("default", "secrets")).body["message"]


@pytest.mark.parametrize(
    ("method", "path", "verb"),
    [
        ("GET", devices("default"), "list"),
        ("GET", devices("default") + "?watch=1", "watch"),
        ("GET", devices("default") + "?fieldSelector=metadata.name%3Dx", "list"),
        ("POST", devices("default"), "create"),
        ("PUT", devices("default", "x"), "update"),
        ("PATCH", devices("default", "x"), "patch"),
        ("DELETE", devices("default", "x"), "delete"),
        ("DELETE", devices("default"), "deletecollection"),
    ],
)
def test_every_verb_is_refused_by_its_name(bob: Api, method: str, path: str, verb: str) -> None:
    response = bob.request(method, path)
    assert response.status == 403
    assert f'User "bob" cannot {verb} resource "edgedevices"' in response.body["message"]


def test_refusal_comes_before_existence(bob: Api) -> None:
    assert bob.get("/apis/unknown/v1/things").status == 403
    assert bob.post(devices("nons"), device("x")).status == 403
    response = bob.get("/nosuch")
    assert (response.status, response.body["details"]) == (403, {})
    assert '"/nosuch"' in response.body["message"]
    assert bob.get("/apis").status == 200
    assert bob.get("/openapi/v3").status == 200


def test_anonymous_callers_see_only_version_and_health(engine: Server) -> None:
    nobody = Api(engine.kubeconfig("admin"), anonymous=True)
    for path in ("/version", "/healthz", "/livez", "/readyz"):
        wait_until(lambda path=path: nobody.get(path).status == 200)  # health can fail for a moment
    for path in ("/apis", "/openapi/v3", devices("default")):
        assert nobody.get(path).status == 403
    assert 'User "system:anonymous"' in nobody.get("/apis").body["message"]


def test_a_bad_token_is_refused_only_without_a_certificate(engine: Server) -> None:
    nobody = Api(engine.kubeconfig("admin"), anonymous=True)
    refused = nobody.get("/version", Authorization="Bearer wrong")
    assert (refused.status, refused.body["reason"]) == (401, "Unauthorized")
    assert Api(engine.kubeconfig("admin")).get("/apis", Authorization="Bearer x").status == 200


def test_a_self_review_names_user_and_groups(bob: Api) -> None:
    response = bob.post(SELF, {"kind": "SelfSubjectReview"})
    user = response.body["status"]["userInfo"]
    assert (response.status, user["username"]) == (201, "bob")
    assert user["groups"] == ["group-a", "group-b", "system:authenticated"]
    assert user["extra"]["authentication.kubernetes.io/credential-id"][0].startswith("X509SHA256=")


@pytest.mark.parametrize("name", ["operator", "edge-api", "admin"])
@pytest.mark.parametrize(
    ("group", "plural"),
    [
        ("management.project-flotta.io", "edgedevices"),
        ("management.project-flotta.io", "edgeworkloads"),
        ("management.project-flotta.io", "edgedevicesignedrequest"),
        ("", "secrets"),
        ("objectbucket.io", "objectbucketclaims"),
        ("coordination.k8s.io", "leases"),
    ],
)
def test_access_reviews_agree_with_what_is_allowed(
    engine: Server, name: str, group: str, plural: str
) -> None:
    user = Api(engine.kubeconfig(name))
    asked = {"verb": "list", "group": group, "resource": plural, "namespace": "default"}
    spec = {"spec": {"resourceAttributes": asked}}
    review = user.post(f"{REVIEWS}/selfsubjectaccessreviews", spec)
    versions = {"": "/api/v1", "coordination.k8s.io": f"/apis/{group}/v1"}
    path = f"{versions.get(group, f'/apis/{group}/v1alpha1')}/namespaces/default/{plural}"
    assert review.status == 201
    assert review.body["status"]["allowed"] == (user.get(path).status == 200)


def test_reviews_need_attributes_and_cannot_be_read(bob: Api) -> None:
    path = f"{REVIEWS}/selfsubjectaccessreviews"
    assert bob.post(path, {"spec": {}}).status == 422
    asked = {"nonResourceAttributes": {"path": "/apis", "verb": "get"}}
    assert bob.post(path, {"spec": asked}).body["status"]["allowed"]
    rules = bob.post(f"{REVIEWS}/selfsubjectrulesreviews", {"spec": {"namespace": "default"}})
    assert rules.status == 201
    listed = [rule["resources"] for rule in rules.body["status"]["resourceRules"]]
    assert "edgedevices" not in [name for names in listed for name in names]


def test_components_may_do_their_work_and_nothing_else(
    api: Api, operator: Api, edge_api: Api, namespace: str
) -> None:
    api.create(devices(namespace), device("d"))
    for component in (operator, edge_api):
        assert component.get(f"{GROUP}/edgedevices").status == 200
        patched = component.merge(devices(namespace, "d") + "/status", {"status": {"phase": "up"}})
        assert patched.status == 200
        assert component.delete("/api/v1/namespaces/flotta").status == 403
        assert component.get("/api/v1/namespaces").status == 403
    assert edge_api.delete(devices(namespace, "d")).status == 403
    workload = device("w") | {"kind": "EdgeWorkload", "spec": {}}
    assert edge_api.post(f"{GROUP}/namespaces/{namespace}/edgeworkloads", workload).status == 403
    applied = edge_api.apply(devices(namespace, "new"), device("new"), "fieldManager=m")
    assert (applied.status, api.get(devices(namespace, "new")).status) == (403, 404)
    assert operator.delete(devices(namespace, "d")).status == 200  # one that no device ever used


def test_the_edge_api_reads_secrets_everywhere_and_writes_in_its_namespace(
    api: Api, operator: Api, edge_api: Api, namespace: str
) -> None:
    body = {"metadata": {"name": f"s-{namespace}"}, "data": {"a": "eA=="}}
    api.create(core(namespace, "secrets"), body)
    assert edge_api.get(core(namespace, "secrets")).status == 200
    assert edge_api.get("/api/v1/secrets").status == 200
    assert edge_api.post(core(namespace, "secrets"), body).status == 403
    assert edge_api.post(core("flotta", "secrets"), body).status == 201
    assert edge_api.get(core("flotta", "secrets", f"s-{namespace}")).status == 200
    assert edge_api.delete(core(namespace, "secrets", f"s-{namespace}")).status == 403
    assert edge_api.delete(core("flotta", "secrets", f"s-{namespace}")).status == 200
    assert operator.get("/api/v1/secrets").status == 403
    assert operator.post(core(namespace, "configmaps"), config_map("c")).status == 201


def test_the_operator_changes_no_secret_where_the_keys_of_the_fleet_are(
    api: Api, operator: Api, namespace: str
) -> None:
    name = f"ca-{namespace}"
    body: dict[str, Any] = {"metadata": {"name": name}, "data": {"a": "eA=="}}
    kept = api.create(core("flotta", "secrets"), body)
    new = {"metadata": {"name": f"new-{namespace}"}, "data": {}}

    # Kubernetes compiles policies a moment after they were created.
    wait_until(lambda: operator.post(core("flotta", "secrets") + "?dryRun=All", new).status == 403)
    patched = operator.merge(core("flotta", "secrets", name), {"data": {"a": "eQ=="}})
    assert (patched.status, patched.body["reason"]) == (403, "Forbidden")
    assert operator.delete(core("flotta", "secrets", name)).status == 403
    assert api.get(core("flotta", "secrets", name)).body == kept
    # Claims are answered in the namespaces of devices all the same.
    assert operator.post(core(namespace, "secrets"), new).status == 201
    assert operator.delete(core(namespace, "secrets", new["metadata"]["name"])).status == 200


def test_the_operator_writes_tombstones_and_deletes_none(
    operator: Api, edge_api: Api, namespace: str
) -> None:
    name = f"decommissioned-{namespace}"
    place = core("flotta", "configmaps", name)
    held = {"metadata": {"name": name}, "data": {"wipe": "held"}}
    assert operator.post(core("flotta", "configmaps"), held).status == 201
    assert operator.merge(place, {"data": {"wipe": "granted"}, "immutable": True}).status == 200
    assert operator.merge(place, {"data": {"wipe": "held"}}).status == 422
    wait_until(lambda: operator.delete(place + "?dryRun=All").status == 403)
    # Records of unknown devices, which are in the same place, go when the devices are known.
    assert edge_api.get(place).status == 200
    assert edge_api.delete(place).status == 200
    assert edge_api.post(core(namespace, "configmaps"), held).status == 403


def test_the_operator_cannot_read_the_key_of_the_fleet(embedded: Engine) -> None:
    # On the embedded engine only: RBAC knows no exceptions, and policies are not asked about reads.
    admin, operator = (Api(embedded.kubeconfig(name)) for name in ("admin", "operator"))
    admin.create(core("flotta", "secrets"), {"metadata": {"name": "flotta-ca"}, "data": {}})
    refused = operator.get(core("flotta", "secrets", "flotta-ca"))
    assert (refused.status, refused.body["reason"]) == (403, "Forbidden")
    assert operator.get(core("default", "secrets", "flotta-ca")).status == 404


def test_the_edge_api_cannot_create_an_approved_request(
    api: Api, edge_api: Api, namespace: str
) -> None:
    path = f"{GROUP}/namespaces/default/edgedevicesignedrequest"

    def ask(name: str, query: str = "", **spec: Any) -> Response:
        kind = {"apiVersion": "management.project-flotta.io/v1alpha1"}
        kind["kind"] = "EdgeDeviceSignedRequest"
        metadata = {"name": f"{name}-{namespace}"}
        wanted = {"targetNamespace": namespace, **spec}
        return edge_api.post(path + query, kind | {"metadata": metadata, "spec": wanted})

    wait_until(lambda: ask("yes", "?dryRun=All", approved=True).status == 403)
    refused = ask("yes", approved=True)
    assert (refused.status, refused.body["reason"]) == (403, "Forbidden")
    assert "spec.approved" in refused.body["message"]
    assert api.get(f"{path}/yes-{namespace}").status == 404
    assert ask("no", approved=False).status == 201
    assert ask("unsaid").status == 201

    place, approval = f"{path}/no-{namespace}", {"spec": {"approved": True}}
    operations = [{"op": "replace", "path": "/spec/approved", "value": True}]
    note = {"metadata": {"annotations": {"noted": "yes"}}}
    assert edge_api.merge(place, note).status == 200
    for answer in (edge_api.merge(place, approval), edge_api.json_patch(place, *operations)):
        assert (answer.status, answer.body["reason"]) == (403, "Forbidden")
    assert not api.get(place).body["spec"]["approved"]
    assert api.merge(place, approval).status == 200
    assert edge_api.merge(place, {"metadata": {"annotations": {"noted": "again"}}}).status == 200


def test_the_operator_takes_leases_only_in_its_namespace(
    operator: Api, edge_api: Api, namespace: str
) -> None:
    lease = {"metadata": {"name": f"l-{namespace}"}, "spec": {"holderIdentity": "me"}}
    assert operator.post(f"{LEASES}/{namespace}/leases", lease).status == 403
    assert operator.post(f"{LEASES}/flotta/leases", lease).status == 201
    assert edge_api.post(f"{LEASES}/flotta/leases", lease).status == 403


# On the embedded engine only: a certificate of another CA ends the handshake.


def test_a_certificate_of_another_ca_is_refused(embedded: Engine, tmp_path: Path) -> None:
    pair = Authority.create("foreign").issue_client("flotta-admin", ("system:masters",))
    trusted = embedded.authority().certificate_pem
    path = tmp_path / "foreign.kubeconfig"
    path.write_bytes(kubeconfig_of(embedded.server, trusted, "flotta-admin", pair))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        Api(path).get("/apis")


def test_a_server_certificate_is_not_a_credential(embedded: Engine) -> None:
    api = Api(embedded.kubeconfig("admin"), anonymous=True)
    pki = embedded.folder / "pki"
    api.context.load_cert_chain(pki / "server.crt", pki / "server.key")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        api.get("/version")
