"""Rendering of an installation on Kubernetes: rights, settings, protection of the pods."""

from __future__ import annotations

import base64
from dataclasses import fields
from typing import Any

import pytest

from flotta.edge_api.settings import Settings as EdgeApiSettings
from flotta.installation import definitions
from flotta.installation.differences import change
from flotta.installation.errors import explained
from flotta.installation.location import endpoint, node_names
from flotta.installation.manifests import render
from flotta.installation.names import KINDS, OPERATOR, identity
from flotta.installation.rights import installer_role
from flotta.installation.settings import Installation
from flotta.installation.troubles import rolled_out, trouble
from flotta.operator.settings import Settings as OperatorSettings
from flotta.resources import roles
from flotta.resources.client import Forbidden

Object = dict[str, Any]
CA = "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n"
S3 = {
    "device_endpoint": "https://s3.example:9000",
    "endpoint": "http://minio.storage.svc:9000",
    "iam_endpoint": "https://s3.example:9001",
    "access_key": "ADMIN",
    "secret_key": "top-secret",
    "ca_pem": CA,
}
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
    return render(Installation.from_parameters(parameters))


def only(objects: list[Object], kind: str, name: str = "") -> Object:
    found = [
        obj for obj in objects if obj["kind"] == kind and name in (obj["metadata"]["name"], "")
    ]
    assert len(found) == 1, [identity(obj) for obj in found]
    return found[0]


def pod_of(objects: list[Object], name: str) -> Object:
    pod: Object = only(objects, "Deployment", name)["spec"]["template"]["spec"]
    return pod


def test_everything_has_a_known_kind_our_labels_and_a_name_of_its_own() -> None:
    objects = rendered(**EVERYTHING)
    assert len({identity(obj) for obj in objects}) == len(objects)
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


def test_no_right_is_a_wildcard() -> None:
    for role in [*rendered(**EVERYTHING), installer_role()]:
        for rule in role.get("rules", []):
            assert "*" not in [*rule["verbs"], *rule["resources"], *rule["apiGroups"]]


def test_every_role_is_bound_to_the_account_of_its_program_only() -> None:
    programs = {"flotta-provisioner": OPERATOR}
    for obj in rendered(namespace="edge", openshift=True, s3=S3):
        if obj["kind"].endswith("Binding"):
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
        auto_approval=False,
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
    assert not operator.auto_approval
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
def test_pods_have_no_special_rights(name: str) -> None:
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
    before, after = rendered(), rendered(auto_approval=False)
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


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"server_names": ["192.0.2.7"]}, "192.0.2.7:30043"),
        ({"server_names": ["2001:db8::1"], "node_port": 31000}, "[2001:db8::1]:31000"),
        ({"server_names": ["edge.example"], "service_type": "LoadBalancer"}, "edge.example:8043"),
        ({"service_type": "LoadBalancer"}, ""),
        ({"service_type": "ClusterIP"}, "flotta-edge-api.flotta.svc:8043"),
        ({"ingress": {"host": "edge.example"}, "server_names": ["a.example"]}, "edge.example:443"),
    ],
)
def test_the_endpoint_is_what_devices_use(parameters: Object, expected: str) -> None:
    assert endpoint(Installation.from_parameters(parameters)) == expected


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ({"namespace": "Flotta"}, "namespace"),
        ({"image": ""}, "image"),
        ({"service_type": "Magic"}, "NodePort"),
        ({"node_port": 70000}, "node_port"),
        ({"edge_api_replicas": 0}, "edge_api_replicas"),
        ({"server_names": ["https://edge.example"]}, "server_names"),
        ({"server_names": ["edge.example:8043"]}, "server_names"),
        ({"registration_namespaces": []}, "registration_namespaces"),
        ({"bucket_for_every_device": True}, "s3"),
        ({"s3": {}}, "device_endpoint"),
        ({"s3": {"device_endpoint": "http://x"}}, "https://HOST:PORT"),
        ({"s3": {"device_endpoint": "https://x:1"}}, "iam_endpoint"),
        ({"s3": {"device_endpoint": "https://x:1#a"}}, "https://HOST:PORT"),
        (
            {"s3": {"device_endpoint": "https://x:1", "region": "a"}, "bucket_storage_class": "b"},
            "iam_endpoint",
        ),
        ({"s3": {**S3, "shared_keys": True}}, "shared_keys"),
        ({"max_concurrent_reconciles": 0}, "max_concurrent_reconciles"),
        ({"s3": {**S3, "secret_key": ""}}, "secret_key"),
        ({"s3": {**S3, "ca_pem": "x"}}, "ca_pem"),
        ({"s3": {**S3, "bucket": "x"}}, "s3.bucket"),
        ({"s3": S3, "bucket_storage_class": "openshift-storage.noobaa.io"}, "leave out s3"),
        ({"ingress": {}}, "ingress.host"),
        ({"network_policy": {"device_networks": ["10.0.0.300/8"]}}, "device_networks"),
        ({"replicas": 3}, "replicas"),
        ({"s3": "https://x"}, "mapping"),
    ],
)
def test_a_bad_setting_is_refused_in_one_sentence(parameters: Object, word: str) -> None:
    with pytest.raises(ValueError, match=word) as refusal:
        Installation.from_parameters(parameters)
    assert "\n" not in str(refusal.value)


def test_unset_parameters_mean_the_default() -> None:
    names = [item.name for item in fields(Installation) if item.name != "found_names"]
    assert Installation.from_parameters(dict.fromkeys(names)) == Installation()


def test_external_addresses_of_nodes_come_first() -> None:
    def node(name: str, **addresses: str) -> Object:
        entries = [{"type": kind, "address": address} for kind, address in addresses.items()]
        return {"metadata": {"name": name}, "status": {"addresses": entries}}

    nodes = [
        node("b", InternalIP="10.0.0.2", Hostname="b"),
        node("a", InternalIP="10.0.0.1", ExternalIP="192.0.2.1"),
    ]
    assert node_names(nodes) == ("192.0.2.1", "10.0.0.1", "10.0.0.2")


def test_a_difference_shows_no_values_of_secrets() -> None:
    def secret(value: str) -> Object:
        data = {"a": base64.b64encode(value.encode()).decode(), "b": "c2FtZQ=="}
        copies = {
            "kubectl.kubernetes.io/last-applied-configuration": f'{{"stringData": {{"a": "{value}"}}}}',
            "example.com/copy": data["a"],
        }
        metadata = {"name": "x", "resourceVersion": value, "annotations": copies}
        head = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
        return {**head, "data": data, "stringData": {"a": value}}

    found = change("Secret x", secret("old"), secret("new"))
    assert found is not None
    assert found.after is not None
    assert found.after["data"] == {"a": "(not shown; new)", "b": "(not shown)"}
    shown = (found.before, found.after)
    for value in ("b2xk", "bmV3", "'old'", "'new'", '"old"', '"new"'):
        assert value not in str(shown)
    assert change("Secret x", secret("old"), secret("old")) is None


def test_a_difference_leaves_out_the_copy_that_kubectl_keeps() -> None:
    def config(value: str) -> Object:
        copies = {"kubectl.kubernetes.io/last-applied-configuration": value, "a": "b"}
        return {"kind": "ConfigMap", "metadata": {"name": "x", "annotations": copies}}

    assert change("ConfigMap x", config("old"), config("new")) is None
    found = change("ConfigMap x", config("old"), None)
    assert found is not None
    assert found.before == {
        "kind": "ConfigMap",
        "metadata": {"name": "x", "annotations": {"a": "b"}},
    }


def forbidden(message: str, **details: Any) -> str:
    return str(explained(Forbidden(403, "Forbidden", message, details)))


def test_a_missing_permission_names_verb_resource_and_remedy() -> None:
    text = forbidden(
        'deployments.apps "flotta-operator" is forbidden: User "jane" cannot patch resource "deployments" '
        'in API group "apps" in the namespace "flotta"'
    )
    assert text.startswith("jane may not patch deployments.apps in namespace flotta; ")
    assert "ClusterRole flotta-installer" in text


def test_an_installer_without_the_rights_to_hand_out_is_told_so() -> None:
    text = forbidden(
        'clusterroles.rbac.authorization.k8s.io "flotta-operator" is forbidden: user "jane" '
        '(groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups'
    )
    assert text.startswith("jane may not hand out the rights")
    assert "\n" not in text


def test_a_quota_and_a_policy_are_not_taken_for_missing_rights() -> None:
    quota = forbidden('services "x" is forbidden: exceeded quota: few, requested: services=1')
    assert "exceeded quota: few" in quota
    assert "ask for a larger ResourceQuota" in quota
    policy = forbidden('admission webhook "check.example" denied the request: no NodePorts here')
    assert policy.startswith("A policy of the cluster refuses an object (admission webhook")
    for text in (quota, policy):
        assert "ClusterRole" not in text


def test_a_namespace_on_its_way_out_is_named() -> None:
    text = forbidden(
        'roles.rbac.authorization.k8s.io "x" is forbidden: unable to create new content in namespace '
        "storage because it is being terminated",
        causes=[
            {"reason": "NamespaceTerminating", "message": "namespace storage is being terminated"}
        ],
    )
    assert text.startswith("Namespace storage is being deleted; wait until it is gone")


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({"containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull"}}}]}, "ImagePullBackOff"),
        ({"containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}, "CrashLoopBackOff"),
        ({"containerStatuses": [{"state": {"terminated": {"reason": "Error"}}}]}, "Error"),
        ({"containerStatuses": [{"state": {"terminated": {"reason": "OOMKilled"}}}]}, "OOMKilled"),
        (
            {"containerStatuses": [{
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"reason": "OOMKilled"}},
            }]},
            "OOMKilled",
        ),
        ({"containerStatuses": [{"state": {"running": {}}, "ready": False}]}, "NotReady"),
        ({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}, "Unschedulable"),
        ({}, "Pending"),
    ],
)  # fmt: skip
def test_the_reason_of_a_pod_is_found(status: Object, reason: str) -> None:
    assert trouble({"spec": {}, "status": status})[0] == reason


@pytest.mark.parametrize(
    ("status", "done"),
    [
        ({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "observedGeneration": 3}, True),
        ({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "observedGeneration": 2}, False),
        ({"replicas": 3, "updatedReplicas": 2, "availableReplicas": 2, "observedGeneration": 3}, False),
        ({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 1, "observedGeneration": 3}, False),
        ({}, False),
    ],
)  # fmt: skip
def test_a_rollout_is_done_when_only_new_pods_are_left_and_available(
    status: Object, done: bool
) -> None:
    deployment = {"metadata": {"generation": 3}, "spec": {"replicas": 2}, "status": status}
    assert rolled_out(deployment) is done


def test_the_crds_are_labelled_as_ours() -> None:
    for crd in definitions.render():
        assert crd["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "flotta-edge"
