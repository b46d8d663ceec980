"""The volumes that podman gets for those of a specification."""

from __future__ import annotations

import base64
import json
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
import pytest

from flotta.protocol.models import Secret, Workload
from flotta.worker.errors import WorkloadError
from flotta.worker.volumes.plan import (
    Claim,
    HostPathType,
    MemoryDirectory,
    ScratchDirectory,
    VolumePlan,
    encode_plan,
)
from flotta.worker.workloads.claim_names import ClaimNames
from flotta.worker.workloads.files import WorkloadFiles
from flotta.worker.workloads.manifest import Pod, build_pod
from flotta.worker.workloads.pod_facts import DeviceFacts
from flotta.worker.workloads.quantities import parse_bytes
from flotta.worker.workloads.workload_paths import WorkloadPaths

MIB = 1 << 20
SCRIPTS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: scripts}
data: {run.sh: "echo hi", level: "9"}
"""
CREDENTIALS = Secret(name="creds", data=json.dumps({"pw": base64.b64encode(b"hunter2").decode()}))


def paths(name: str = "web") -> WorkloadPaths:
    return WorkloadPaths(Path("/state") / name, Path("/volumes") / name)


def build(
    *volumes: dict[str, Any],
    mounts: list[dict[str, Any]] | None = None,
    name: str = "web",
    namespace: str = "shop",
    claims: ClaimNames | None = None,
    container: dict[str, Any] | None = None,
    labels: dict[str, str] | None = None,
    **spec: Any,
) -> Pod:
    defaults = [{"name": volume["name"], "mountPath": f"/{volume['name']}"} for volume in volumes]
    main = {"name": "c", "image": "x", "volumeMounts": mounts or defaults, **(container or {})}
    text = json.dumps({"containers": [main], "volumes": list(volumes), **spec})
    workload = Workload(
        name=name,
        namespace=namespace,
        specification=text,
        configmaps=[SCRIPTS],
        labels=labels,
    )
    device = DeviceFacts(device_id="till-1", claims=claims or ClaimNames())
    return build_pod(workload, [CREDENTIALS], device, paths(name))


def spec_of(pod: Pod) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(pod.manifest)["spec"]
    return found


def volumes_of(pod: Pod) -> dict[str, Any]:
    return {volume.pop("name"): volume for volume in spec_of(pod)["volumes"]}


def mounts_of(pod: Pod) -> dict[str, Any]:
    mounts = spec_of(pod)["containers"][0]["volumeMounts"]
    return {mount["mountPath"]: mount for mount in mounts}


def modes_of(pod: Pod) -> dict[str, int]:
    return {path.name: file.mode for path, file in pod.volumes.files.items()}


def test_each_workload_has_its_own_empty_dir() -> None:
    pods = [build({"name": "data", "emptyDir": {}}, name=name) for name in ("b1", "b2")]
    places = [volumes_of(pod)["data"]["hostPath"]["path"] for pod in pods]
    assert places == ["/state/b1/volumes/data", "/state/b2/volumes/data"]
    assert pods[0].volumes.plan.scratch == (ScratchDirectory("data", places[0]),)


def test_an_empty_dir_written_as_nothing_is_one() -> None:
    assert build({"name": "data", "emptyDir": None}).volumes.plan.scratch


def test_an_empty_dir_of_medium_memory_is_a_tmpfs_of_its_limit() -> None:
    pod = build({"name": "m", "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}})
    assert pod.volumes.plan.memory == (
        MemoryDirectory("m", "/run/flotta-volumes/web/m-m", 8 * MIB),
    )
    assert volumes_of(pod)["m"]["hostPath"]["path"] == "/run/flotta-volumes/web/m-m"


@pytest.mark.parametrize(
    ("limit", "memory", "size"),
    [
        (None, "64Mi", 64 * MIB),
        ("8Mi", "64Mi", 8 * MIB),
        ("1Gi", "64Mi", 64 * MIB),
        (None, "", None),
    ],
)
def test_a_tmpfs_is_not_larger_than_the_memory_of_the_pod(
    limit: str | None, memory: str, size: int | None
) -> None:
    source = {"medium": "Memory"} | ({"sizeLimit": limit} if limit else {})
    limits = {"resources": {"limits": {"memory": memory}}} if memory else {}
    pod = build({"name": "m", "emptyDir": source}, container=limits)
    assert pod.volumes.plan.memory[0].size == size


def test_a_size_limit_on_disk_is_kept_as_bytes_and_as_it_is_spelt() -> None:
    pod = build({"name": "d", "emptyDir": {"sizeLimit": "1.5Gi"}})
    [scratch] = pod.volumes.plan.scratch
    assert (scratch.size_limit, scratch.limit) == (3 * 512 * MIB, "1.5Gi")


@pytest.mark.parametrize("medium", ["", "Memory"])
def test_a_limit_is_one_that_the_unit_and_the_kernel_can_read(medium: str) -> None:
    plan = build({"name": "d", "emptyDir": {"medium": medium, "sizeLimit": "1e30"}}).volumes.plan
    assert msgspec.json.decode(encode_plan(plan), type=VolumePlan) == plan
    limits = [one.size_limit for one in plan.scratch] + [one.size for one in plan.memory]
    assert limits == [1 << 60]
    with pytest.raises(WorkloadError, match='volume "d": sizeLimit -1Mi is negative'):
        build({"name": "d", "emptyDir": {"medium": medium, "sizeLimit": "-1Mi"}})


@pytest.mark.parametrize(
    ("source", "reason"),
    [({"medium": "HugePages"}, "UnsupportedField"), ({"sizeLimit": "1X"}, "InvalidSpecification")],
)
def test_an_empty_dir_that_no_device_has_is_refused(source: dict[str, str], reason: str) -> None:
    with pytest.raises(WorkloadError) as refusal:
        build({"name": "d", "emptyDir": source})
    assert refusal.value.reason == reason


def test_the_type_of_a_host_path_is_checked_where_podman_does_not() -> None:
    def plan_of(kind: str) -> VolumePlan:
        return build({"name": "h", "hostPath": {"path": "/srv", "type": kind}}).volumes.plan

    assert plan_of("File").host_paths == (HostPathType("h", "/srv", "File"),)
    assert plan_of("Socket") == plan_of("") == VolumePlan()


def test_a_volume_without_a_source_is_an_empty_dir() -> None:
    pods = [build({"name": "d", **source}) for source in ({}, {"emptyDir": {}})]
    assert pods[0].manifest == pods[1].manifest
    assert pods[0].volumes.plan.scratch == pods[1].volumes.plan.scratch != ()


def test_a_claim_is_a_volume_of_its_namespace() -> None:
    volume = {"name": "d", "persistentVolumeClaim": {"claimName": "shopdb"}}
    pods = [build(volume, namespace=namespace) for namespace in ("a", "b", "")]
    names = [volumes_of(pod)["d"]["persistentVolumeClaim"]["claimName"] for pod in pods]
    assert names == ["flotta.a.shopdb", "flotta.b.shopdb", "flotta.default.shopdb"]
    assert pods[0].volumes.plan.claims == (Claim("shopdb", "flotta.a.shopdb", "a"),)


def test_a_volume_that_stands_keeps_its_claim() -> None:
    volume = {"name": "d", "persistentVolumeClaim": {"claimName": "shopdb"}}
    claims = ClaimNames("a", frozenset({"shopdb"}))
    names = [
        volumes_of(build(volume, namespace=namespace, claims=claims))["d"]
        for namespace in ("a", "b")
    ]
    assert [name["persistentVolumeClaim"]["claimName"] for name in names] == [
        "shopdb",
        "flotta.b.shopdb",
    ]


def test_a_read_only_claim_is_mounted_read_only() -> None:
    pod = build({"name": "d", "persistentVolumeClaim": {"claimName": "db", "readOnly": True}})
    assert mounts_of(pod)["/d"]["readOnly"] is True


@pytest.mark.parametrize("name", ["../x", "a/b", "-f", "UPPER", "", "a" * 181])
def test_a_claim_that_cannot_be_a_volume_is_refused(name: str) -> None:
    with pytest.raises(WorkloadError, match="claim name") as refusal:
        build({"name": "d", "persistentVolumeClaim": {"claimName": name}})
    assert refusal.value.reason == "InvalidSpecification"


def test_files_have_the_modes_of_the_specification() -> None:
    items = [{"key": "run.sh", "path": "run.sh"}, {"key": "level", "path": "level", "mode": 0o600}]
    pod = build(
        {"name": "s", "configMap": {"name": "scripts", "defaultMode": 0o755, "items": items}},
        {"name": "c", "secret": {"secretName": "creds", "defaultMode": 0o400}},
    )
    assert modes_of(pod) == {"run.sh": 0o755, "level": 0o600, "pw": 0o400}


@pytest.mark.parametrize("mode", [-1, 0o1777, "0755", True, 1.5])
def test_a_mode_that_cannot_be_is_refused(mode: object) -> None:
    with pytest.raises(WorkloadError, match=r"(?i)mode") as refusal:
        build({"name": "s", "configMap": {"name": "scripts", "defaultMode": mode}})
    assert refusal.value.reason == "UnsupportedField"


def test_another_mode_or_group_makes_another_pod() -> None:
    plain = {"name": "s", "configMap": {"name": "scripts"}}
    strict = {"name": "s", "configMap": {"name": "scripts", "defaultMode": 0o400}}
    group = {"securityContext": {"fsGroup": 2000}}
    digests = {build(plain).digest, build(strict).digest, build(plain, **group).digest}
    assert len(digests) == 3


def test_a_projected_volume_has_the_files_of_all_its_sources() -> None:
    sources = [
        {"configMap": {"name": "scripts", "items": [{"key": "level", "path": "conf/level"}]}},
        {"secret": {"name": "creds", "items": [{"key": "pw", "path": "pw", "mode": 0o440}]}},
        {"configMap": {"name": "absent", "optional": True}},
    ]
    pod = build({"name": "all", "projected": {"sources": sources, "defaultMode": 0o600}})
    found = {
        str(PurePosixPath(*path.parts[3:])): (file.content, file.mode)
        for path, file in pod.volumes.files.items()
    }
    assert found == {"conf/level": (b"9", 0o600), "pw": (b"hunter2", 0o440)}


def test_fields_of_the_pod_are_files() -> None:
    items = [
        {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}},
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}, "mode": 0o400},
        {"path": "cpu", "resourceFieldRef": {"containerName": "c", "resource": "limits.cpu"}},
    ]
    limits = {"resources": {"limits": {"cpu": "2"}}}
    for source in (
        {"downwardAPI": {"items": items, "defaultMode": 0o440}},
        {"projected": {"sources": [{"downwardAPI": {"items": items}}], "defaultMode": 0o440}},
    ):
        pod = build({"name": "v", **source}, container=limits, labels={"app": "x"})
        found = {
            path.name: (file.content.decode(), file.mode)
            for path, file in pod.volumes.files.items()
        }
        assert found == {
            "name": ("web", 0o440),
            "labels": ('app="x"', 0o400),
            "cpu": ("2", 0o440),
        }


def test_an_address_is_in_no_file() -> None:
    items = [{"path": "ip", "fieldRef": {"fieldPath": "status.podIP"}}]
    with pytest.raises(WorkloadError, match=r"status\.podIP|items\[0\]\.fieldRef\.fieldPath"):
        build({"name": "v", "downwardAPI": {"items": items}})


def test_a_source_that_devices_do_not_have_is_refused() -> None:
    token = {"serviceAccountToken": {"path": "token"}}
    with pytest.raises(WorkloadError, match="serviceAccountToken"):
        build({"name": "all", "projected": {"sources": [token]}})


def test_a_file_that_would_be_a_directory_too_is_refused() -> None:
    items = [{"key": "level", "path": "a"}, {"key": "run.sh", "path": "a/b"}]
    with pytest.raises(WorkloadError, match="below it"):
        build({"name": "s", "configMap": {"name": "scripts", "items": items}})


def test_an_optional_volume_of_nothing_is_an_empty_directory(tmp_path: Path) -> None:
    files = WorkloadFiles(tmp_path / "w", tmp_path / "v", tmp_path / "u", tmp_path / "m")
    text = json.dumps(
        {
            "containers": [{"name": "c", "image": "x"}],
            "volumes": [{"name": "v", "configMap": {"name": "absent", "optional": True}}],
        }
    )
    workload = Workload(name="web", specification=text)
    files.write_pod(build_pod(workload, [], DeviceFacts(), files.paths_of("web")))
    [folder] = (tmp_path / "w/web/files").glob("*/v")
    assert list(folder.iterdir()) == []


def test_a_sub_path_of_files_is_that_file() -> None:
    pod = build(
        {"name": "s", "configMap": {"name": "scripts"}},
        mounts=[{"name": "s", "mountPath": "/app/run.sh", "subPath": "run.sh"}],
    )
    mount = mounts_of(pod)["/app/run.sh"]
    source = volumes_of(pod)[mount["name"]]["hostPath"]
    assert (source["type"], Path(source["path"]).name) == ("File", "run.sh")
    assert (mount["readOnly"], "subPath" in mount) == (True, False)
    assert pod.volumes.plan.sub_paths == ()


def test_a_sub_path_that_names_nothing_in_files_is_refused() -> None:
    with pytest.raises(WorkloadError, match=r'no path "run\.py"'):
        build(
            {"name": "s", "configMap": {"name": "scripts"}},
            mounts=[{"name": "s", "mountPath": "/x", "subPath": "run.py"}],
        )


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ({"emptyDir": {}}, ("/state/web/volumes/v", "")),
        ({"emptyDir": {"medium": "Memory"}}, ("/run/flotta-volumes/web/m-v", "")),
        ({"hostPath": {"path": "/srv"}}, ("/srv", "")),
        ({"persistentVolumeClaim": {"claimName": "db"}}, ("", "flotta.shop.db")),
    ],
)
def test_a_sub_path_of_what_a_container_can_write_is_mounted_by_the_unit(
    source: dict[str, Any], place: tuple[str, str]
) -> None:
    pod = build(
        {"name": "v", **source}, mounts=[{"name": "v", "mountPath": "/x", "subPath": "a/b"}]
    )
    [step] = pod.volumes.plan.sub_paths
    assert (step.base, step.claim) == place
    assert (step.path, step.first) == ("a/b", False)
    assert volumes_of(pod)[mounts_of(pod)["/x"]["name"]] == {"hostPath": {"path": step.target}}


def test_one_path_is_mounted_once_for_all_containers_and_once_before_them() -> None:
    mount = {"name": "v", "mountPath": "/x", "subPath": "a"}
    pod = build(
        {"name": "v", "emptyDir": {}},
        mounts=[mount, {**mount, "mountPath": "/y"}],
        initContainers=[{"name": "i", "image": "x", "volumeMounts": [mount]}],
    )
    assert sorted(step.first for step in pod.volumes.plan.sub_paths) == [False, True]


def test_sub_path_expr_has_the_values_of_the_environment() -> None:
    mount = {"name": "v", "mountPath": "/x", "subPathExpr": "logs/$(WHO)-$$(WHO)"}
    pod = build(
        {"name": "v", "emptyDir": {}},
        mounts=[mount],
        container={"env": [{"name": "WHO", "value": "bert"}]},
    )
    assert pod.volumes.plan.sub_paths[0].path == "logs/bert-$(WHO)"


@pytest.mark.parametrize("expression", ["$(NOBODY)", "$(UP)"])
def test_sub_path_expr_that_leads_nowhere_or_out_is_refused(expression: str) -> None:
    with pytest.raises(WorkloadError) as refusal:
        build(
            {"name": "v", "emptyDir": {}},
            mounts=[{"name": "v", "mountPath": "/x", "subPathExpr": expression}],
            container={"env": [{"name": "UP", "value": "../.."}]},
        )
    assert refusal.value.reason == "InvalidSpecification"


def test_a_mount_without_its_volume_is_refused_before_anything_stops() -> None:
    with pytest.raises(WorkloadError) as refusal:
        build(mounts=[{"name": "nope", "mountPath": "/x"}])
    assert refusal.value.reason == "InvalidSpecification"
    assert refusal.value.message == (
        'container "c" mounts the volume "nope", which the pod does not have'
    )


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../../up", "", ".", "a\0b", "x" * 256])
def test_a_file_of_a_volume_stays_inside_it(path: str) -> None:
    items = [{"key": "run.sh", "path": path}]
    with pytest.raises(WorkloadError) as refusal:
        build({"name": "v", "configMap": {"name": "scripts", "items": items}})
    assert refusal.value.reason == "InvalidSpecification"


def test_a_hundred_volumes_have_places_of_their_own_and_a_plan_that_is_read() -> None:
    names = [f"v{number}" for number in range(100)]
    mounts = [{"name": name, "mountPath": f"/{name}", "subPath": "a/b"} for name in names]
    pod = build(*({"name": name, "emptyDir": {}} for name in names), mounts=mounts)
    plan = pod.volumes.plan
    assert len({one.path for one in plan.scratch} | {one.target for one in plan.sub_paths}) == 200
    assert msgspec.json.decode(encode_plan(plan), type=VolumePlan) == plan


def test_a_plan_that_the_unit_would_not_read_is_refused() -> None:
    mounts = [
        {"name": "v", "mountPath": f"/{number}", "subPath": f"{'x' * 250}/{'y' * 250}/{number}"}
        for number in range(2000)
    ]
    with pytest.raises(WorkloadError, match="too many volumes"):
        build({"name": "v", "emptyDir": {}}, mounts=mounts)


def test_fs_group_is_a_group_of_every_process_and_of_every_volume() -> None:
    pod = build(
        {"name": "d", "emptyDir": {}},
        {"name": "c", "secret": {"secretName": "creds", "defaultMode": 0o400}},
        securityContext={"fsGroup": 2000, "supplementalGroups": [7]},
    )
    assert spec_of(pod)["securityContext"]["supplementalGroups"] == [7, 2000]
    assert (pod.volumes.plan.group, pod.volumes.plan.shared) == (2000, ("/volumes/web",))
    [file] = pod.volumes.files.values()
    assert (file.mode, file.group) == (0o440, 2000)


@pytest.mark.parametrize("group", [-1, 1 << 31, "root", True])
def test_a_group_that_cannot_be_is_refused(group: object) -> None:
    with pytest.raises(WorkloadError, match="fsGroup"):
        build(securityContext={"fsGroup": group})


def test_a_pod_without_such_volumes_starts_without_a_plan() -> None:
    pod = build({"name": "s", "configMap": {"name": "scripts"}})
    assert pod.volumes.plan.is_empty


def test_quantities_are_those_of_kubernetes() -> None:
    texts = {"8Mi": 8 * MIB, "1e3": 1000, "1E": 10**18, "100m": 1, ".5Ki": 512, 12: 12}
    assert {text: parse_bytes(text) for text in texts} == texts
