from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from fleet_objects import Objects, container, device, workload

from flotta.fleet.rendering import RenderedConfiguration, render_configuration
from flotta.fleet.yaml_dumper import dump_yaml
from flotta.protocol.models import DataConfiguration, DataPath

PAIR = {"source": "stats", "target": "statistics"}
DATA = Path(__file__).parent.parent / "data"

# v0.2 renders the same configuration from these objects.
LAB_SPEC = {
    "heartbeat": {"periodSeconds": 20, "hardwareProfile": {"include": True, "scope": "full"}},
    "storage": {"s3": {"configMapName": "lab-s3", "secretName": "lab-s3-keys"}},
    "logCollection": {
        "shop-logs": {"kind": "syslog", "bufferSize": 64, "syslogConfig": {"name": "shop-syslog"}}
    },
    "metrics": {
        "system": {"interval": 45, "allowList": {"name": "till-metrics"}},
        "receiverConfiguration": {"url": "http://receiver.lab.example:19291/api/v1/receive"},
    },
    "mounts": [{"device": "/dev/sdb1", "folder": "/srv/data", "type": "ext4", "options": "rw"}],
}
LAB_RESULT = {
    "heartbeat": {
        "hardware_profile": {"include": True, "scope": "full"},
        "period_seconds": 20,
    },
    "log-collection": {
        "shop-logs": {
            "buffer_size": 64,
            "kind": "syslog",
            "syslog_config": {"address": "logs.lab.example:6514", "protocol": "tcp"},
        }
    },
    "metrics": {
        "receiver": {
            "request_num_samples": 30000,
            "timeout_seconds": 10,
            "url": "http://receiver.lab.example:19291/api/v1/receive",
        },
        "system": {
            "allow_list": {"names": ["node_load1", "node_memory_MemFree_bytes"]},
            "interval": 45,
        },
    },
    "mounts": [{"device": "/dev/sdb1", "directory": "/srv/data", "options": "rw", "type": "ext4"}],
    "storage": {
        "s3": {
            "aws_access_key_id": "bGFidXNlcg==",
            "aws_secret_access_key": "bGFic2VjcmV0",
            "bucket_host": "s3.lab.example",
            "bucket_name": "d-17-data",
            "bucket_port": 9000,
            "bucket_region": "eu-lab-1",
        }
    },
}


def lab(*workloads: dict[str, Any]) -> Objects:
    return (
        Objects(*workloads)
        .with_config_map(
            "lab-s3",
            BUCKET_HOST="s3.lab.example",
            BUCKET_NAME="d-17-data",
            BUCKET_PORT="9000",
            BUCKET_REGION="eu-lab-1",
        )
        .with_secret("lab-s3-keys", AWS_ACCESS_KEY_ID="labuser", AWS_SECRET_ACCESS_KEY="labsecret")
        .with_config_map("shop-syslog", Address="logs.lab.example:6514", Protocol="tcp")
        .with_config_map(
            "till-metrics",
            **{"metrics_list.yaml": "names: [node_load1, node_memory_MemFree_bytes]\n"},
        )
    )


def configuration(rendered: RenderedConfiguration) -> Any:
    return wire(rendered)["configuration"]


def wire(rendered: RenderedConfiguration) -> Any:
    return json.loads(msgspec.json.encode(rendered.content))


def names(rendered: RenderedConfiguration) -> list[str]:
    return [workload["name"] for workload in wire(rendered).get("workloads", ())]


def test_a_device_with_every_section_renders_exactly() -> None:
    rendered = render_configuration(device(LAB_SPEC), lab())

    assert configuration(rendered) == LAB_RESULT
    assert rendered.problems == ()


def test_an_empty_device_gets_what_old_agents_cannot_do_without() -> None:
    assert configuration(render_configuration(device(), Objects())) == {
        "heartbeat": {"hardware_profile": {}, "period_seconds": 60},
        "metrics": {"receiver": {"request_num_samples": 30000, "timeout_seconds": 10}},
        "mounts": [],
    }


def test_a_set_replaces_every_section_even_those_it_does_not_have() -> None:
    source = lab().with_set("tills", {"heartbeat": {"periodSeconds": 5}})
    member = device(LAB_SPEC, **{"flotta/member-of": "tills"})

    assert configuration(render_configuration(member, source)) == {
        "heartbeat": {"hardware_profile": {}, "period_seconds": 5},
        "metrics": {"receiver": {"request_num_samples": 30000, "timeout_seconds": 10}},
        "mounts": [],
    }


def test_a_missing_set_leaves_the_device_its_own_settings_and_is_reported() -> None:
    member = device(LAB_SPEC, **{"flotta/member-of": "gone"})

    rendered = render_configuration(member, lab())

    assert configuration(rendered) == LAB_RESULT
    assert "EdgeDeviceSet 'gone' does not exist" in rendered.problems[0].message


def test_a_literal_environment_variable_is_delivered() -> None:
    pod = container(env=[{"name": "MODE", "value": "fast"}])

    rendered = render_configuration(device(), Objects(workload("rich", pod)))

    specification = yaml.safe_load(wire(rendered)["workloads"][0]["specification"])
    assert specification["containers"][0]["env"] == [{"name": "MODE", "value": "fast"}]
    assert specification["containers"][0]["resources"] == {}


def test_a_workload_with_everything_renders_as_recorded_from_v0_2() -> None:
    recorded = json.loads((DATA / "messages" / "to-agent-device-configuration.json").read_text())[
        "content"
    ]["workloads"][0]
    pod = yaml.safe_load(recorded["specification"])
    del pod["containers"][0]["resources"]
    rich = workload(
        "rich",
        pod,
        data={
            "egress": [{"source": "stats", "target": "statistics"}],
            "ingress": [{"source": "remote/data", "target": "local/data"}],
        },
        imageRegistries={"secretRef": {"name": "pull"}},
        logCollection="syslog",
        metrics={
            "path": "/metrics",
            "port": 9100,
            "interval": 60,
            "allowList": {"name": "allowed"},
            "containers": {"web": {"path": "/m", "port": 8888}},
        },
    )
    rich["metadata"]["labels"] = {"podman/io.containers.autoupdate": "registry", "other": "x"}
    rich["metadata"]["annotations"] = {"podman/note": "hello", "kubectl": "x"}
    allowed = "names: [node_cpu_seconds_total, node_memory_MemFree_bytes]"
    source = (
        Objects(rich)
        .with_config_map("app-settings", **{"MODE": "fast", "config.ini": "a=1\n"})
        .with_secret("app-secret", PASSWORD="hunter2", TOKEN="t0p")
        .with_secret("pull", **{".dockerconfigjson": recorded["imageRegistries"]["authFile"]})
        .with_config_map("allowed", **{"metrics_list.yaml": allowed})
    )

    message = wire(render_configuration(device(), source))

    ours = message["workloads"][0]
    assert yaml.safe_load(ours.pop("specification")) == yaml.safe_load(
        recorded.pop("specification")
    )
    assert [yaml.safe_load(text) for text in ours.pop("configmaps")] == [
        yaml.safe_load(text) for text in recorded.pop("configmaps")
    ]
    assert ours == recorded
    assert message["secrets"] == [
        {"name": "app-secret", "data": '{"PASSWORD":"aHVudGVyMg==","TOKEN":"dDBw"}'}
    ]


def secret_key(name: str, key: str, *, optional: bool = False) -> dict[str, Any]:
    reference = {"name": name, "key": key, "optional": optional}
    return container(env=[{"name": "X", "valueFrom": {"secretKeyRef": reference}}])


BROKEN = {
    "secret": (secret_key("gone", "a"), "Secret 'gone' does not exist"),
    "key": (secret_key("there", "b"), "Secret 'there' has no key 'b'"),
    "secret volume": (
        {"containers": [], "volumes": [{"name": "v", "secret": {"secretName": "gone"}}]},
        "Secret 'gone' does not exist",
    ),
    "config map volume": (
        {"containers": [], "volumes": [{"name": "v", "configMap": {"name": "gone"}}]},
        "ConfigMap 'gone' does not exist",
    ),
    "config map for all": (
        container(envFrom=[{"configMapRef": {"name": "gone"}}]),
        "ConfigMap 'gone' does not exist",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_reference_holds_its_workload_only(case: str) -> None:
    pod, message = BROKEN[case]
    source = Objects(workload("bad", pod), workload("good")).with_secret("there", a="1")

    rendered = render_configuration(device(), source)

    assert names(rendered) == ["good"]
    assert rendered.content.unresolved_workloads == ["bad"]
    assert [(problem.workload, problem.message) for problem in rendered.problems] == [
        ("bad", message)
    ]


def test_a_pod_with_a_field_that_no_device_carries_out_is_held() -> None:
    pod = {**container(), "nodeSelector": {"disk": "ssd"}}

    rendered = render_configuration(device(), Objects(workload("bad", pod), workload("good")))

    assert names(rendered) == ["good"]
    assert rendered.content.unresolved_workloads == ["bad"]
    (problem,) = rendered.problems
    assert (problem.workload, problem.reason) == ("bad", "Misconfiguration")
    assert problem.message.startswith("spec.pod.spec.nodeSelector: a device has no scheduler")


@pytest.mark.parametrize(
    ("data", "sent"),
    [
        (None, DataConfiguration()),
        ({"retention": "Keep"}, DataConfiguration(retention="Keep")),
        ({"egress": [PAIR]}, DataConfiguration(egress=[DataPath(**PAIR)])),
    ],
)
def test_what_a_workload_says_about_files_is_delivered_also_while_it_is_held(
    data: dict[str, Any] | None, sent: DataConfiguration
) -> None:
    pod = {**container(), "nodeSelector": {"disk": "ssd"}}
    both = Objects(workload("bad", pod, data=data), workload("good", data=data))

    content = render_configuration(device(), both).content

    assert [item.data or DataConfiguration() for item in content.workloads or []] == [sent]
    assert content.unresolved_data == {"bad": sent}


def test_an_agent_that_would_remove_what_is_held_gets_such_a_pod_as_it_is() -> None:
    pod = {**container(), "nodeSelector": {"disk": "ssd"}}
    old = device(status={"phase": "up"})
    assert names(render_configuration(old, Objects(workload("bad", pod)))) == ["bad"]
    new = device(status={"phase": "up", "agentVersion": "1"})
    assert names(render_configuration(new, Objects(workload("bad", pod)))) == []


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"imageRegistries": {"secretRef": {"name": "gone"}}}, "Secret 'gone' does not exist"),
        ({"metrics": {"port": 1, "allowList": {"name": "gone"}}}, "ConfigMap 'gone' does not"),
    ],
)
def test_a_broken_registry_or_allow_list_disables_its_workload_only(
    spec: dict[str, Any], message: str
) -> None:
    rendered = render_configuration(device(), Objects(workload("bad", **spec), workload("good")))

    assert names(rendered) == ["good"]
    assert message in rendered.problems[0].message


def test_optional_references_may_be_absent_unless_something_else_needs_them() -> None:
    pod = secret_key("gone", "a", optional=True)
    assert names(render_configuration(device(), Objects(workload("fine", pod)))) == ["fine"]

    pod["containers"][0]["envFrom"] = [{"secretRef": {"name": "gone"}}]
    assert names(render_configuration(device(), Objects(workload("broken", pod)))) == []


def test_secret_and_config_map_volumes_are_sent_and_nothing_else_is() -> None:
    volumes = [
        {"name": "s", "secret": {"secretName": "keys"}},
        {"name": "c", "configMap": {"name": "settings"}},
        {"name": "p", "projected": {"sources": [{"secret": {"name": "more"}}]}},
    ]
    source = (
        Objects(workload("w", {**container(), "volumes": volumes}))
        .with_secret("keys", a="1")
        .with_secret("more", b="2")
        .with_secret("unrelated", c="3")
        .with_config_map("settings", d="4")
    )

    message = wire(render_configuration(device(), source))

    assert [secret["name"] for secret in message["secrets"]] == ["keys", "more"]
    assert len(message["workloads"][0]["configmaps"]) == 1


def test_order_of_objects_does_not_change_the_version() -> None:
    first = render_configuration(device(), Objects(workload("a"), workload("b")))
    second = render_configuration(device(), Objects(workload("b"), workload("a")))

    assert names(first) == names(second) == ["a", "b"]
    assert first.version == second.version == wire(first)["version"]


def test_the_version_follows_the_content_and_nothing_else() -> None:
    plain = render_configuration(device(), Objects(workload("a")))
    relabelled = device(status={"phase": "up"}, other="label")
    changed = render_configuration(
        device(), Objects(workload("a", container(image="localhost/web:2")))
    )

    assert render_configuration(relabelled, Objects(workload("a"))).version == plain.version
    assert changed.version != plain.version


def test_a_device_being_deleted_runs_nothing() -> None:
    leaving = device()
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"

    assert names(render_configuration(leaving, Objects(workload("a")))) == []


def test_status_workloads_does_not_affect_what_is_delivered() -> None:
    listed = device(status={"workloads": [{"name": "other", "phase": "Deploying"}]})

    assert names(render_configuration(listed, Objects(workload("a")))) == ["a"]


def claimed() -> Objects:
    return (
        Objects()
        .with_config_map("d-17", BUCKET_NAME="b-17", BUCKET_HOST="10.0.0.1", BUCKET_PORT="9000")
        .with_secret("d-17", AWS_ACCESS_KEY_ID="k", AWS_SECRET_ACCESS_KEY="s", **{"tls.crt": "PEM"})
        .with_claim("d-17")
    )


def test_a_bound_claim_wins_over_external_storage_and_brings_its_ca() -> None:
    spec = {"storage": {"s3": {"configMapName": "lab-s3", "secretName": "lab-s3-keys"}}}

    rendered = render_configuration(device(spec, {"dataObc": "d-17"}), claimed())

    assert configuration(rendered)["storage"]["s3"] == {
        "aws_access_key_id": "aw==",
        "aws_secret_access_key": "cw==",
        "aws_ca_bundle": base64.b64encode(b"PEM").decode(),
        "bucket_host": "10.0.0.1",
        "bucket_name": "b-17",
        "bucket_port": 9000,
        "bucket_region": "us-east-1",
    }


def test_unresolvable_storage_is_reported_and_what_was_delivered_stays() -> None:
    before = render_configuration(device({}, {"dataObc": "d-17"}), claimed())

    first = render_configuration(device({}, {"dataObc": "d-17"}), Objects())
    later = render_configuration(device({}, {"dataObc": "d-17"}), Objects(), before.s3)
    unwanted = render_configuration(device(), Objects(), before.s3)

    assert "storage" not in configuration(first)
    assert configuration(first)["storage_unresolved"] is True
    assert "ObjectBucketClaim 'd-17' does not exist" in first.problems[0].message
    assert configuration(later)["storage"] == configuration(before)["storage"]
    assert "storage_unresolved" not in configuration(later)
    assert "storage" not in configuration(unwanted)
    assert "storage_unresolved" not in configuration(unwanted)
    assert unwanted.problems == ()


def test_a_missing_set_removes_no_storage() -> None:
    before = render_configuration(device({}, {"dataObc": "d-17"}), claimed())
    member = device({}, **{"flotta/member-of": "tills"})

    known, unknown = (
        render_configuration(member, Objects(), before.s3),
        render_configuration(member, Objects()),
    )

    assert configuration(known)["storage"] == configuration(before)["storage"]
    assert configuration(unknown)["storage_unresolved"] is True
    assert "EdgeDeviceSet 'tills' does not exist" in unknown.problems[0].message


def test_broken_device_settings_are_left_out_one_by_one() -> None:
    rendered = render_configuration(device(LAB_SPEC), Objects())

    result = configuration(rendered)
    assert "log-collection" not in result
    assert "storage" not in result
    assert "allow_list" not in result["metrics"]["system"]
    assert [problem.kind for problem in rendered.problems] == [
        "storage",
        "logCollection.shop-logs",
        "metrics.system",
    ]


@pytest.mark.parametrize(
    "text", ["1e3", "0o7", "y", "012", "1_000", "-", "", "null", "1:30", "a\n"]
)
def test_strings_that_other_yaml_readers_mistake_are_quoted(text: str) -> None:
    document = dump_yaml({"key": text})

    assert yaml.safe_load(document) == {"key": text}
    assert document.splitlines()[0] == "key: |" or "'" in document
