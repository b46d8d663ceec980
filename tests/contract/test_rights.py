"""Who may do what, and how refusals are worded. Only the embedded engine has these users."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from flotta.apiserver.pki import kubeconfig
from flotta.identity.authority import Authority

from .api import GROUP, Api, core, device, devices
from .engine import Engine

if TYPE_CHECKING:
    from pathlib import Path

REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@pytest.fixture
def bob(embedded: Engine, tmp_path: Path) -> Api:
    """A user with a certificate of the engine and no rights."""
    pki = embedded.folder / "pki"
    authority = Authority.from_pem((pki / "ca.crt").read_bytes(), (pki / "ca.key").read_bytes())
    pair = authority.issue_client("bob", ("group-a", "group-b"))
    path = tmp_path / "bob.kubeconfig"
    path.write_bytes(kubeconfig(embedded.server, authority.certificate_pem, "bob", pair))
    return Api(path)


def test_refusals_are_worded_like_kubernetes(bob: Api) -> None:
    group = 'in API group "management.project-flotta.io"'
    answer = bob.merge(devices("default", "x") + "/status", {})
    assert (answer.status, answer.body["reason"]) == (403, "Forbidden")
    assert answer.body["message"] == (
        'edgedevices.management.project-flotta.io "x" is forbidden: User "bob" cannot patch '
        f'resource "edgedevices/status" {group} in the namespace "default"'
    )
    assert answer.body["details"] == {
        "name": "x",
        "group": "management.project-flotta.io",
        "kind": "edgedevices",
    }
    assert bob.get(f"{GROUP}/edgedevices").body["message"] == (
        'edgedevices.management.project-flotta.io is forbidden: User "bob" cannot list resource '
        f'"edgedevices" {group} at the cluster scope'
    )
    assert 'API group ""' in bob.get(core("default", "secrets")).body["message"]


def test_refusal_comes_before_existence(bob: Api) -> None:
    assert bob.get("/apis/unknown/v1/things").status == 403
    answer = bob.get("/nosuch")
    assert (answer.status, answer.body["details"]) == (403, {})
    assert answer.body["message"] == 'forbidden: User "bob" cannot get path "/nosuch"'
    assert bob.get("/apis").status == 200
    assert bob.get("/openapi/v3").status == 200


def test_anonymous_callers_see_only_version_and_health(embedded: Engine) -> None:
    nobody = Api(embedded.kubeconfig("admin"), anonymous=True)
    for path in ("/version", "/healthz", "/livez", "/readyz"):
        assert nobody.get(path).status == 200
    for path in ("/apis", "/openapi/v3", devices("default")):
        assert nobody.get(path).status == 403
    assert nobody.get("/version", Authorization="Bearer wrong").status == 401
    assert Api(embedded.kubeconfig("admin")).get("/apis", Authorization="Bearer x").status == 200


def test_certificate_of_a_foreign_authority_is_refused(embedded: Engine, tmp_path: Path) -> None:
    pair = Authority.create("foreign").issue_client("flotta-admin", ("system:masters",))
    trusted = (embedded.folder / "pki" / "ca.crt").read_bytes()
    path = tmp_path / "foreign.kubeconfig"
    path.write_bytes(kubeconfig(embedded.server, trusted, "flotta-admin", pair))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        Api(path).get("/apis")


def test_server_certificate_is_no_credential(embedded: Engine) -> None:
    api = Api(embedded.kubeconfig("admin"), anonymous=True)
    pki = embedded.folder / "pki"
    api.context.load_cert_chain(pki / "server.crt", pki / "server.key")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        api.get("/version")


def test_who_am_i(bob: Api) -> None:
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    answer = bob.post(path, {"kind": "SelfSubjectReview"})
    user = answer.body["status"]["userInfo"]
    assert (answer.status, user["username"]) == (201, "bob")
    assert user["groups"] == ["group-a", "group-b", "system:authenticated"]


@pytest.mark.parametrize("name", ["operator", "edge-api", "admin"])
def test_can_i_agrees_with_what_happens(embedded: Engine, name: str) -> None:
    user = Api(embedded.kubeconfig(name))
    for plural in ("edgedevices", "edgeworkloads", "edgedevicesignedrequest"):
        asked = {
            "verb": "list",
            "group": "management.project-flotta.io",
            "resource": plural,
            "namespace": "default",
        }
        allowed = user.post(REVIEW, {"spec": {"resourceAttributes": asked}}).body["status"]
        listed = user.get(f"{GROUP}/namespaces/default/{plural}").status
        assert allowed["allowed"] == (listed == 200)


def test_components_have_their_roles(embedded: Engine) -> None:
    operator = Api(embedded.kubeconfig("operator"))
    assert operator.get(f"{GROUP}/edgedevices").status == 200
    assert operator.delete("/api/v1/namespaces/flotta").status == 403
    edge_api = Api(embedded.kubeconfig("edge-api"))
    assert edge_api.delete("/api/v1/namespaces/flotta").status == 403
    assert edge_api.get(f"{GROUP}/edgedevices").status == 200
    answer = edge_api.post(f"{GROUP}/namespaces/default/edgeworkloads", device("w"))
    assert answer.status == 403
