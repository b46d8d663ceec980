"""Rendering of an installation on Kubernetes: RBAC, settings, protection of the pods."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from installation_inputs import CA, S3

from flotta.edge_api.settings import Settings as EdgeApiSettings
from flotta.installation.crds import render_crds
from flotta.installation.kinds import KINDS
from flotta.installation.manifests import render_objects
from flotta.installation.names import OPERATOR, object_identity
from flotta.installation.rbac import render_installer_role
from flotta.installation.settings import Installation
from flotta.operator.settings import Settings as OperatorSettings
from flotta.resources import roles

Object = dict[str, Any]
EVERYTHING = {
    "s3": S3,
    "ingress": {"host": "edge.example"},
    "route": {"host": "edge.apps.example"},
    "network_policy": {"device_networks": ["10.0.0.0/8"], "monitoring_namespace": "monitoring"},
    "service_monitor": {"labels": {"release": "prometheus"}},
    "server_names": ["192.0.2.7"],
    "openshift": True,
}


def rendered(**parameters: Any) -> list[Object]:
    return render_objects(Installation.from_parameters(parameters))


def only(objects: list[Object], kind: str, name: str = "") -> Object:
    found = [
        obj for obj in objects if obj["kind"] == kind and name in (obj["metadata"]["name"], "")
    ]
    assert len(found) == 1, [object_identity(obj) for obj in found]
    return found[0]


def pod_of(objects: list[Object], name: str) -> Object:
    pod: Object = only(objects, "Deployment", name)["spec"]["template"]["spec"]
    return pod


def test_everything_has_a_known_kind_our_labels_and_a_name_of_its_own() -> None:
    objects = rendered(**EVERYTHING)
    assert len({object_identity(obj) for obj in objects}) == len(objects)
    for obj in objects:
        assert (obj["apiVersion"], obj["kind"]) in KINDS
        labels = obj["metadata"]["labels"]
        assert labels["app.kubernetes.io/managed-by"] == "flotta-edge"
        assert {"name", "component", "part-of", "version"} <= {
            key.removeprefix("app.kubernetes.io/") for key in labels
        }


def test_optional_parts_are_off() -> None:
    kinds = {obj["kind"] for obj in rendered()}
    assert kinds.isdisjoint({"Ingress", "Route", "NetworkPolicy", "ServiceMonitor", "Secret"})


def test_the_certificates_that_the_edge_api_makes_are_not_rendered() -> None:
    secrets = {obj["metadata"]["name"] for obj in rendered(**EVERYTHING) if obj["kind"] == "Secret"}
    assert secrets == {"flotta-s3-admin"}


@pytest.mark.parametrize("openshift", [False, True])
def test_every_rule_of_the_roles_file_is_granted_once_and_nothing_else(openshift: bool) -> None:
    objects = rendered(openshift=openshift, s3=S3)
    granted = [
        (obj["metadata"]["name"], obj["metadata"].get("namespace"), rule)
        for obj in objects
        if obj["kind"] in ("Role", "ClusterRole")
        for rule in obj["rules"]
    ]
    expected = [
        (role.name, namespace, rule.in_rbac())
        for role in roles.load().roles
        for rule in role.rules
        for namespace in (sorted(rule.namespaces) or [None])
        if namespace in (None, "flotta") or openshift
    ]
    assert sorted(granted, key=str) == sorted(expected, key=str)


def test_exceptions_of_the_roles_file_become_policies_for_the_accounts() -> None:
    objects = rendered(namespace="edge", s3=S3)
    policies = {
        obj["metadata"]["name"]: obj["spec"]
        for obj in objects
        if obj["kind"] == "ValidatingAdmissionPolicy"
    }
    bindings = {
        obj["spec"]["policyName"]: obj["spec"]
        for obj in objects
        if obj["kind"] == "ValidatingAdmissionPolicyBinding"
    }
    assert set(policies) == set(bindings)
    secrets = policies["flotta-provisioner-configmaps"]
    operator = "request.userInfo.username in ['system:serviceaccount:edge:flotta-operator']"
    assert secrets["matchConditions"] == [{"name": "user", "expression": operator}]
    refused = {
        (resource, operation)
        for rule in secrets["matchConstraints"]["resourceRules"]
        for resource in rule["resources"]
        for operation in rule["operations"]
    }
    assert {("secrets", item) for item in ("CREATE", "UPDATE", "DELETE")} <= refused
    assert bindings["flotta-provisioner-configmaps"]["matchResources"] == {
        "namespaceSelector": {
            "matchExpressions": [
                {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["edge"]}
            ]
        }
    }
    (approval,) = policies["flotta-edge-api-edgedevicesignedrequest"]["validations"]
    assert approval["expression"] == (
        "(!(has(object.spec) && has(object.spec.approved) && object.spec.approved) || "
        "(oldObject != null && has(oldObject.spec) && has(oldObject.spec.approved) && "
        "oldObject.spec.approved))"
    )
    without = {obj["metadata"]["name"] for obj in rendered() if "Policy" in obj["kind"]}
    assert without == {"flotta-edge-api-edgedevicesignedrequest", "flotta-self-asserted-labels"}


def test_no_right_is_a_wildcard() -> None:
    for role in [*rendered(**EVERYTHING), render_installer_role()]:
        for rule in role.get("rules", []):
            assert "*" not in [*rule["verbs"], *rule["resources"], *rule["apiGroups"]]


def test_every_role_is_bound_to_the_account_of_its_program_only() -> None:
    programs = {"flotta-provisioner": OPERATOR}
    for obj in rendered(namespace="edge", openshift=True, s3=S3):
        if obj["kind"] in ("RoleBinding", "ClusterRoleBinding"):
            name = obj["metadata"]["name"]
            assert obj["roleRef"]["name"] == name
            assert obj["roleRef"]["kind"] == obj["kind"].removesuffix("Binding")
            account = {"kind": "ServiceAccount", "name": programs.get(name, name)}
            assert obj["subjects"] == [{**account, "namespace": "edge"}]


def test_without_an_s3_server_no_program_writes_secrets_outside_of_its_namespace() -> None:
    written = {"create", "update", "patch", "delete"}
    for role in rendered(bucket_storage_class="example.com/other"):
        if role["kind"] == "ClusterRole":
            for rule in role["rules"]:
                assert "secrets" not in rule["resources"] or written.isdisjoint(rule["verbs"])


def test_the_namespace_may_have_another_name() -> None:
    objects = rendered(namespace="edge")
    assert {obj["metadata"].get("namespace") for obj in objects} == {None, "edge"}
    env = pod_of(objects, OPERATOR)["containers"][0]["env"]
    assert {"name": "FLOTTA_NAMESPACE", "value": "edge"} in env


def test_the_programs_understand_their_settings() -> None:
    objects = rendered(
        **{**EVERYTHING, "registration_namespaces": ["default", "shops"]},
        auto_approval=True,
        decommission_timeout=60,
        request_expiry=3600,
        device_certificate_days=7,
    )
    edge = EdgeApiSettings.from_environment(
        only(objects, "ConfigMap", "flotta-edge-api-config")["data"]
    )
    assert edge.metrics_address == ("0.0.0.0", 8080)  # noqa: S104
    assert {"192.0.2.7", "edge.example", "edge.apps.example"} <= set(edge.server_names)
    assert edge.certificate_days == 7
    assert edge.registration_namespaces == ("default", "shops")
    operator = OperatorSettings.from_environment(
        only(objects, "ConfigMap", "flotta-manager-config")["data"]
    )
    assert operator.probe_address == ("0.0.0.0", 8081)  # noqa: S104
    assert operator.leader_elect
    assert operator.auto_approval
    assert operator.bucket_auto_create
    assert operator.decommission_timeout == 60
    assert operator.request_expiry == 3600
    assert operator.storage is not None
    assert operator.storage.device_endpoint == "https://s3.example:9000"
    assert operator.storage.endpoint == "http://minio.storage.svc:9000"


# Settings that v0.2 shipped, but for those of its webhooks, which there are none of.
DOCUMENTED = {
    "flotta-manager-config": {
        *("METRICS_ADDR", "PROBE_ADDR", "LEADER_ELECT", "OBC_AUTO_CREATE", "LOG_LEVEL"),
        *("EDGEWORKLOAD_CONCURRENCY", "MAX_CONCURRENT_RECONCILES", "AUTO_APPROVAL_PROCESS"),
    },
    "flotta-edge-api-config": {
        *("HTTPS_PORT", "TLS_LOCALHOST_ENABLED", "METRICS_ADDR", "LOG_LEVEL"),
        *("CLIENT_CERT_EXPIRATION_DAYS", "BACKEND"),
    },
}
ADDED = {
    "flotta-manager-config": {"DECOMMISSION_TIMEOUT", "REQUEST_EXPIRY"},
    "flotta-edge-api-config": {
        *("BIND_ADDRESS", "SERVER_NAMES", "REGISTRATION_NAMESPACES", "EDGE_API_DRAIN_SECONDS"),
        *("ADDRESS_FAIRNESS", "PROXY_PROTOCOL"),
    },
}


@pytest.mark.parametrize("name", sorted(DOCUMENTED))
def test_settings_have_their_documented_names(name: str) -> None:
    settings = only(rendered(), "ConfigMap", name)["data"]
    assert set(settings) == DOCUMENTED[name] | ADDED[name]


def test_the_buckets_of_another_provisioner_are_reached_where_the_user_says() -> None:
    where = {"device_endpoint": "https://s3.example:9000"}
    objects = rendered(s3=where, bucket_storage_class="openshift-storage.noobaa.io")
    edge_api = only(objects, "ConfigMap", "flotta-edge-api-config")["data"]
    operator = only(objects, "ConfigMap", "flotta-manager-config")["data"]
    assert edge_api["S3_DEVICE_ENDPOINT"] == "https://s3.example:9000"
    assert operator["OBC_AUTO_CREATE"] == "true"
    assert not [name for name in operator if name.startswith("S3_")]
    assert "flotta-s3-admin" not in str(objects)
    own = only(rendered(s3=S3), "ConfigMap", "flotta-edge-api-config")["data"]
    assert "S3_DEVICE_ENDPOINT" not in own


def test_without_an_s3_server_no_device_gets_a_bucket() -> None:
    settings = only(rendered(), "ConfigMap", "flotta-manager-config")["data"]
    assert settings["OBC_AUTO_CREATE"] == "false"
    assert not [name for name in settings if name.startswith("S3_")]


def test_the_s3_key_is_in_a_secret_that_only_the_operator_mounts() -> None:
    objects = rendered(**EVERYTHING)
    data = only(objects, "Secret")["data"]
    assert base64.b64decode(data["AWS_SECRET_ACCESS_KEY"]) == b"top-secret"
    assert base64.b64decode(data["ca.crt"]).decode() == CA
    mounted = {
        volume.get("secret", {}).get("secretName")
        for volume in pod_of(objects, OPERATOR)["volumes"]
    }
    assert "flotta-s3-admin" in mounted
    assert "flotta-s3-admin" not in str(pod_of(objects, "flotta-edge-api"))
    assert "top-secret" not in str([obj for obj in objects if obj["kind"] != "Secret"])
    assert "top-secret" not in repr(Installation.from_parameters(EVERYTHING))


@pytest.mark.parametrize("name", ["flotta-operator", "flotta-edge-api"])
def test_pods_are_unprivileged(name: str) -> None:
    pod = pod_of(rendered(**EVERYTHING), name)
    container = pod["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"requests", "limits"} == set(container["resources"])
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert "startupProbe" in container


def test_where_the_cluster_assigns_users_pods_choose_none() -> None:
    pod = pod_of(rendered(assigned_users=True), OPERATOR)
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def rollout_mark(objects: list[Object], name: str) -> str:
    template = only(objects, "Deployment", name)["spec"]["template"]
    return str(template["metadata"]["annotations"])


def test_a_change_of_settings_rolls_out_the_program_that_reads_them_and_no_other() -> None:
    before, after = rendered(), rendered(auto_approval=True)
    assert rollout_mark(before, OPERATOR) != rollout_mark(after, OPERATOR)
    assert rollout_mark(before, "flotta-edge-api") == rollout_mark(after, "flotta-edge-api")
    new_key = {**EVERYTHING, "s3": {**S3, "secret_key": "other"}}
    assert rollout_mark(rendered(**EVERYTHING), OPERATOR) != rollout_mark(
        rendered(**new_key), OPERATOR
    )


def test_a_single_replica_gets_no_budget_that_would_forbid_maintenance() -> None:
    assert only(rendered(), "PodDisruptionBudget")
    assert not [o for o in rendered(edge_api_replicas=1) if o["kind"] == "PodDisruptionBudget"]


def test_only_the_device_port_is_reachable_from_outside() -> None:
    objects = rendered(**EVERYTHING)
    service = only(objects, "Service", "flotta-edge-api")["spec"]
    assert service["ports"] == [
        {
            "name": "devices",
            "protocol": "TCP",
            "port": 8043,
            "targetPort": "devices",
            "nodePort": 30043,
        }
    ]
    assert only(objects, "Service", "flotta-metrics")["spec"]["clusterIP"] == "None"


def test_the_crds_are_labelled_as_ours() -> None:
    for crd in render_crds():
        assert crd["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "flotta-edge"
