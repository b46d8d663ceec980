"""The manifest that the device worker makes of a workload."""

from __future__ import annotations

import base64
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from flotta.protocol.models import ImageRegistries, Secret, Workload
from flotta.worker import podman, systemd
from flotta.worker.errors import WorkloadError
from flotta.worker.image_pull import pull_image
from flotta.worker.workloads.manifest import Pod, WorkloadPaths, build_pod
from flotta.worker.workloads.pod_facts import DeviceFacts

PLACES = WorkloadPaths(Path("/state/web"), Path("/volumes/web"))


def spec(**container: Any) -> str:
    return json.dumps({"containers": [{"name": "c", "image": "localhost/x:1", **container}]})


def pod_of(specification: str, secrets: tuple[Secret, ...] = (), **fields: Any) -> Pod:
    workload = Workload(name="web", specification=specification, **fields)
    return build_pod(workload, list(secrets), DeviceFacts("device-1"), PLACES)


def document(pod: Pod) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(pod.manifest)
    return found


def container(pod: Pod) -> dict[str, Any]:
    found: dict[str, Any] = document(pod)["spec"]["containers"][0]
    return found


def secret(name: str, **values: str) -> Secret:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return Secret(name=name, data=json.dumps(encoded))


CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {MODE: fast, DAY: 2024-01-01}
"""
NUL_MAP = CONFIG_MAP.replace("settings", "nul").replace("fast", r'"\0"')
NUL = {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "nul", "key": "MODE"}}}
BINARY = {"name": "A", "valueFrom": {"secretKeyRef": {"name": "binary", "key": "key"}}}


@pytest.mark.parametrize(
    ("field", "version", "message"),
    [
        ({"nodeName": "a"}, (5, 4, 2), "spec.pod.spec.nodeName: a device has no scheduler; "),
        ({"hostPID": True}, (4, 3, 1), "spec.pod.spec.hostPID: podman before 4.4 ignores it; "),
    ],
)
def test_a_field_that_would_be_ignored_is_refused(
    field: dict[str, Any], version: tuple[int, int, int], message: str
) -> None:
    workload = Workload(name="web", specification=json.dumps(json.loads(spec()) | field))
    with pytest.raises(WorkloadError, match=f"^{message}") as raised:
        build_pod(workload, [], DeviceFacts("device-1", version), PLACES)
    assert raised.value.reason == "UnsupportedField"
    assert raised.value.permanent


def test_seccomp_profiles_become_the_annotations_that_podman_reads() -> None:
    def profile(kind: str, **more: str) -> dict[str, Any]:
        return {"securityContext": {"seccompProfile": {"type": kind, **more}}}

    own = json.loads(spec(**profile("Localhost", localhostProfile="a.json")))
    pod = pod_of(json.dumps(own | profile("Unconfined")), annotations={"note": "n"})

    assert document(pod)["metadata"]["annotations"] == {
        "note": "n",
        "seccomp.security.alpha.kubernetes.io/pod": "unconfined",
        "container.seccomp.security.alpha.kubernetes.io/c": "localhost/a.json",
    }
    assert pod.digest != pod_of(json.dumps(own)).digest
    assert "annotations" not in document(pod_of(spec()))["metadata"]


@pytest.mark.parametrize(
    ("policy", "given", "searches"),
    [("None", [], ["."]), ("None", ["a"], ["a"]), ("Default", [], [])],
)
def test_a_pod_with_dns_of_its_own_gets_no_search_domains_of_the_device(
    policy: str, given: list[str], searches: list[str]
) -> None:
    dns = {"nameservers": ["192.0.2.53"], "searches": given}
    own = json.loads(spec()) | {"dnsPolicy": policy, "dnsConfig": dns}
    assert document(pod_of(json.dumps(own)))["spec"]["dnsConfig"]["searches"] == searches


def test_a_field_that_a_newer_podman_carries_out_is_passed_on() -> None:
    workload = Workload(
        name="web", specification=json.dumps(json.loads(spec()) | {"hostPID": True})
    )
    pod = build_pod(workload, [], DeviceFacts("device-1", (4, 4, 0)), PLACES)
    assert document(pod)["spec"]["hostPID"] is True


def test_every_container_gets_the_export_directory_and_the_device_id() -> None:
    text = json.dumps(
        {
            "initContainers": [{"name": "i", "image": "x"}],
            "containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "x"}],
        }
    )

    pod = pod_of(text)
    made, initial = document(pod)["spec"], json.loads(pod.init_manifest or b"")["spec"]

    mount = {"name": "export-web", "mountPath": "/export"}
    assert [c["volumeMounts"] for c in made["containers"]] == [[mount], [mount]]
    assert initial["containers"][0]["volumeMounts"] == [mount]
    assert made["volumes"] == [
        {"name": "export-web", "hostPath": {"path": "/volumes/web", "type": "DirectoryOrCreate"}}
    ]
    assert made["containers"][0]["env"] == [{"name": "DEVICE_ID", "value": "device-1"}]


def test_only_ports_asked_for_on_the_host_are_kept_with_their_protocol() -> None:
    ports = [
        {"containerPort": 80},
        {"containerPort": 53, "hostPort": 5353, "protocol": "UDP"},
        {"hostPort": 8080},
    ]

    assert container(pod_of(spec(ports=ports)))["ports"] == [
        {"containerPort": 53, "hostPort": 5353, "protocol": "UDP"},
        {"hostPort": 8080, "containerPort": 8080},
    ]


def test_references_become_values_in_kubernetes_order() -> None:
    text = spec(
        envFrom=[
            {"secretRef": {"name": "s"}, "prefix": "S_"},
            {"configMapRef": {"name": "settings"}},
            {"secretRef": {"name": "absent", "optional": True}},
        ],
        env=[
            {"name": "PW", "valueFrom": {"secretKeyRef": {"name": "s", "key": "pw"}}},
            {"name": "MODE", "value": "slow"},
            {
                "name": "X",
                "valueFrom": {"secretKeyRef": {"name": "s", "key": "x", "optional": True}},
            },
        ],
    )

    made = container(pod_of(text, (secret("s", pw="hunter2"),), configmaps=[CONFIG_MAP]))

    assert {entry["name"]: entry["value"] for entry in made["env"]} == {
        "S_pw": "hunter2",
        "MODE": "slow",
        "DAY": "2024-01-01",
        "PW": "hunter2",
        "DEVICE_ID": "device-1",
    }
    assert "envFrom" not in made


def test_secret_volumes_become_files_mounted_read_only() -> None:
    text = json.dumps(
        {
            "containers": [
                {"name": "c", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}
            ],
            "volumes": [
                {
                    "name": "v",
                    "secret": {"secretName": "s", "items": [{"key": "pw", "path": "a/b"}]},
                }
            ],
        }
    )

    pod = pod_of(text, (secret("s", pw="hunter2", other="no"),))

    [(path, file)] = pod.volumes.files.items()
    assert (path.parts[0], *path.parts[2:]) == ("files", "v", "a", "b")
    assert (file.content, file.mode) == (b"hunter2", 0o644)
    assert container(pod)["volumeMounts"][0]["readOnly"] is True
    volume = document(pod)["spec"]["volumes"][0]
    assert volume["hostPath"]["path"] == str(PLACES.directory / path.parent.parent)


def test_a_changed_secret_changes_the_digest_and_nothing_else_does() -> None:
    text = spec(env=[{"name": "PW", "valueFrom": {"secretKeyRef": {"name": "s", "key": "pw"}}}])

    first, again, changed = (
        pod_of(text, (secret("s", pw=value), secret("unused", x=other)))
        for value, other in (("1", "a"), ("1", "b"), ("2", "a"))
    )

    assert first.digest == again.digest
    assert first.digest != changed.digest


def test_a_reboot_never_needs_the_registry() -> None:
    policies = {"Always": "IfNotPresent", "IfNotPresent": "IfNotPresent", "Never": "Never"}

    made = {p: pod_of(spec(imagePullPolicy=p)) for p in policies}

    assert {p: container(pod)["imagePullPolicy"] for p, pod in made.items()} == policies
    assert made["Always"].always_pull == ("localhost/x:1",)
    assert made["Never"].never_pull == ("localhost/x:1",)
    assert container(pod_of(spec()))["imagePullPolicy"] == "IfNotPresent"


def test_registry_credentials_are_not_in_the_manifest() -> None:
    pod = pod_of(spec(), image_registries=ImageRegistries(auth_file='{"auths":{}}'))

    assert pod.auth == b'{"auths":{}}'
    assert b"auths" not in pod.manifest


@pytest.mark.parametrize(
    ("text", "reason", "words"),
    [
        ("containers: [{", "InvalidSpecification", "not valid YAML"),
        ("just text", "InvalidSpecification", "not a mapping"),
        ("containers: []", "InvalidSpecification", "no containers"),
        ("containers: [{image: x}]", "InvalidSpecification", "no name"),
        ("containers: [{name: c}]", "InvalidSpecification", "no image"),
        (spec(envFrom=[{"secretRef": {"name": "nope"}}]), "SecretNotFound", "nope"),
        (
            spec(
                env=[
                    {
                        "name": "A",
                        "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "k"}},
                    }
                ]
            ),
            "ConfigMapNotFound",
            'no key "k"',
        ),
        (spec(env=[NUL]), "InvalidConfigMap", "not text"),
        (spec(env=[BINARY]), "InvalidSecret", "not text"),
    ],
)
def test_what_cannot_work_is_refused_with_a_reason(text: str, reason: str, words: str) -> None:
    with pytest.raises(WorkloadError, match=words) as caught:
        pod_of(text, (secret("binary", key="\0"),), configmaps=[CONFIG_MAP, NUL_MAP])

    assert caught.value.reason == reason
    assert caught.value.permanent


@pytest.mark.parametrize("name", ["../evil", "a/b", "Web", "-a", "a b", "", "a" * 101, "a\n"])
def test_a_name_that_must_not_be_in_a_path_is_refused(name: str) -> None:
    with pytest.raises(WorkloadError) as caught:
        build_pod(Workload(name=name, specification=spec()), [], DeviceFacts("device-1"), PLACES)

    assert caught.value.reason == "InvalidName"


def test_a_volume_path_cannot_leave_the_volume() -> None:
    text = json.dumps(
        {
            "containers": [{"name": "c", "image": "x"}],
            "volumes": [
                {
                    "name": "v",
                    "configMap": {"name": "settings", "items": [{"key": "MODE", "path": "../x"}]},
                }
            ],
        }
    )

    with pytest.raises(WorkloadError, match="inside the volume"):
        pod_of(text, configmaps=[CONFIG_MAP])


OUTSIDE = "../../../../etc/cron.d"


def volume(name: str = "v", **source: Any) -> dict[str, Any]:
    return {"name": name, "configMap": {"name": "settings", **source}}


def specification(*volumes: dict[str, Any], **container: Any) -> str:
    containers = [{"name": "c", "image": "x", **container}]
    return json.dumps({"containers": containers, "volumes": list(volumes)})


def mounted(**mount: str) -> str:
    return specification(volumeMounts=[{"name": "v", "mountPath": "/v", **mount}])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (specification(volume(OUTSIDE)), "volume name"),
        (specification(volume("/etc")), "volume name"),
        (specification(volume("..")), "volume name"),
        (specification(volume(".")), "volume name"),
        (specification(volume("a\0")), "volume name"),
        (specification(volume("v" * 256)), "volume name"),
        (specification({"name": OUTSIDE, "emptyDir": {}}), "volume name"),
        (specification(name=OUTSIDE), "container name"),
        (specification(name="--replace"), "container name"),
        (specification(image="--tls-verify=false"), "image"),
        (specification(image="-"), "image"),
        (specification(image="x y"), "image"),
        (specification(image="x\n"), "image"),
        (specification(volume(items=[{"key": "MODE", "path": OUTSIDE}])), "inside the volume"),
        (specification(volume(items=[{"key": "MODE", "path": "/etc/x"}])), "inside the volume"),
        (specification(volume(items=[{"key": "MODE", "path": "a\0b"}])), "inside the volume"),
        (specification(volume(items=[{"key": "MODE", "path": "x" * 256}])), "too long"),
        (specification(volume(items=[{"key": "MODE", "path": "x/" * 600 + "y"}])), "too long"),
        (mounted(subPath=OUTSIDE), "inside the volume"),
        (mounted(subPathExpr="a/../b"), "inside the volume"),
    ],
)
def test_a_name_that_would_leave_its_place_is_refused(text: str, words: str) -> None:
    with pytest.raises(WorkloadError, match=words) as refusal:
        pod_of(text, configmaps=[CONFIG_MAP])
    assert (refusal.value.reason, refusal.value.permanent) == ("InvalidSpecification", True)


@pytest.mark.parametrize("key", [OUTSIDE, "..", ".", "", "a/b", "/x", "k\n", "k" * 254])
def test_a_key_that_is_no_name_of_a_file_is_refused(key: str) -> None:
    config_map = json.dumps({"metadata": {"name": "settings"}, "data": {key: "x"}})
    with pytest.raises(WorkloadError) as refusal:
        pod_of(specification(volume()), configmaps=[config_map])
    assert refusal.value.reason == "InvalidConfigMap"
    secrets = (Secret(name="s", data=json.dumps({key: ""})),)
    with pytest.raises(WorkloadError) as refusal:
        pod_of(specification({"name": "v", "secret": {"secretName": "s"}}), secrets)
    assert refusal.value.reason == "InvalidSecret"


def test_names_that_podman_allows_still_run() -> None:
    pod = pod_of(specification(volume("My_volume.1"), name="Old_name"), configmaps=[CONFIG_MAP])
    assert {path.parts[2] for path in pod.volumes.files} == {"My_volume.1"}


async def test_no_name_becomes_an_option_of_a_program(tmp_path: Path) -> None:
    """Every program gets what others named after `--`."""
    arguments = tmp_path / "arguments"
    for program in ("podman", "systemctl"):
        script = tmp_path / program
        script.write_text(f'#!/bin/sh\necho "$@" >> {arguments}\nexit 1\n')
        script.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        await podman.find_missing_images(["-image"])
        with pytest.raises(WorkloadError):
            await pull_image("-image", Path("/auth"))
        await podman.remove_pod("-pod")
        await systemd.read_unit_states(["-unit"])
        await systemd.restart("-unit")
        await systemd.stop("-unit")
        await systemd.kill_control("-unit")
    lines = arguments.read_text().splitlines()
    named = [line for line in lines if not line.startswith("info ")]
    assert len(named) == 9
    assert all(re.search(r" -- -(image|pod|unit)( |$)", line) for line in named)


@pytest.mark.parametrize("policies", [("Always", "Never"), ("Never", "Always")])
def test_an_image_is_fetched_as_often_as_one_of_its_containers_asks(
    policies: tuple[str, str],
) -> None:
    containers = [
        {"name": f"c{number}", "image": "localhost/x:1", "imagePullPolicy": policy}
        for number, policy in enumerate(policies)
    ]
    made = pod_of(json.dumps({"containers": containers}))
    assert (made.always_pull, made.never_pull) == (("localhost/x:1",), ())
