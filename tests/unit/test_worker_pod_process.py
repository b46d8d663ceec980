"""What the unit of a pod does besides podman, and what podman gets to play."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flotta.protocol.models import Workload
from flotta.worker import podman
from flotta.worker.errors import WorkloadError
from flotta.worker.http_get_action import HttpGet
from flotta.worker.pod_unit.plan import Hook
from flotta.worker.podman import Container
from flotta.worker.systemd import UnitState
from flotta.worker.workloads.files import WorkloadFiles
from flotta.worker.workloads.installed_manifests import list_images
from flotta.worker.workloads.manifest import Pod, build_pod
from flotta.worker.workloads.non_root import check_user
from flotta.worker.workloads.pod_documents import serialize
from flotta.worker.workloads.pod_facts import OLDEST_PODMAN, DeviceFacts, PodmanVersion
from flotta.worker.workloads.records import FORMAT, WorkloadRecord
from flotta.worker.workloads.state import Observation, classify_start_failure, derive_state
from flotta.worker.workloads.steps import Current, WriteFiles, plan_steps
from flotta.worker.workloads.workload_paths import WorkloadPaths
from flotta.yaml_loader import load_yaml

PATHS = WorkloadPaths(Path("/s/web"), Path("/v/web"))
INIT = {"name": "prepare", "image": "tool", "ports": [{"containerPort": 80}]}
ACTIVATING = UnitState("activating", "start-pre")


def build(name: str = "web", podman: PodmanVersion = OLDEST_PODMAN, **spec: Any) -> Pod:
    specification = {"containers": [{"name": "main", "image": "x"}], **spec}
    workload = Workload(name=name, namespace="shop", specification=json.dumps(specification))
    return build_pod(workload, [], DeviceFacts("till-1", podman), PATHS)


def played(pod: Pod) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(pod.manifest)
    return found


def initial(pod: Pod) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(pod.init_manifest or b"")
    return found


def field(path: str) -> dict[str, Any]:
    return {"env": [{"name": "F", "valueFrom": {"fieldRef": {"fieldPath": path}}}]}


def test_init_containers_are_a_pod_of_their_own_that_never_restarts() -> None:
    pod = build(initContainers=[INIT, {**INIT, "name": "second"}], shareProcessNamespace=True)
    spec = initial(pod)["spec"]
    assert "initContainers" not in played(pod)["spec"]
    assert "initContainers" not in spec
    assert [container["name"] for container in spec["containers"]] == ["prepare", "second"]
    assert spec["restartPolicy"] == "Never"
    assert spec["shareProcessNamespace"]
    assert pod.process.init_containers == ("prepare", "second")
    assert pod.images == ("tool", "x")


def test_init_containers_publish_no_port_and_see_the_volumes() -> None:
    pod = build(
        initContainers=[{**INIT, "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
        volumes=[{"name": "v", "emptyDir": {}}],
    )
    container = initial(pod)["spec"]["containers"][0]
    assert "ports" not in container
    assert {"/v", "/export"} <= {mount["mountPath"] for mount in container["volumeMounts"]}
    assert initial(pod)["spec"]["volumes"] == played(pod)["spec"]["volumes"]


def test_no_workload_has_the_name_of_another_ones_init_pod_and_both_have_one_host_name() -> None:
    pod = build(initContainers=[INIT])
    assert initial(pod)["metadata"]["name"] == "web_init"
    assert initial(pod)["spec"]["hostname"] == "web"
    assert initial(build(initContainers=[INIT], hostname="shop"))["spec"]["hostname"] == "shop"
    long = initial(build("a" * 62 + ".b", initContainers=[INIT]))["spec"]["hostname"]
    assert long == "a" * 62


def test_hooks_are_run_by_the_unit_and_not_given_to_podman() -> None:
    stop = {
        "httpGet": {"port": "admin", "path": "/quit", "httpHeaders": [{"name": "A", "value": "b"}]}
    }
    main = {
        "name": "main",
        "image": "x",
        "ports": [{"name": "admin", "containerPort": 9000}],
        "lifecycle": {"postStart": {"exec": {"command": ["touch", "/x"]}}, "preStop": stop},
    }
    other = {"name": "other", "image": "x", "lifecycle": {"preStop": {"sleep": {"seconds": 3}}}}
    pod = build(containers=[main, other])
    assert pod.process.post_start == (Hook("main", command=("touch", "/x")),)
    assert pod.process.pre_stop == (
        Hook("main", http_get=HttpGet(9000, "/quit", headers=(("A", "b"),))),
        Hook("other", sleep=3),
    )
    assert all("lifecycle" not in container for container in played(pod)["spec"]["containers"])
    assert pod.digest != build(containers=[{"name": "main", "image": "x"}, other]).digest


@pytest.mark.parametrize(
    "handler",
    [
        {"exec": {}},
        {"httpGet": {"port": "nobody"}},
        {"httpGet": {"port": 70000}},
    ],
)
def test_a_hook_that_a_device_cannot_run_is_refused(handler: dict[str, Any]) -> None:
    with pytest.raises(WorkloadError, match=r"main|containers"):
        build(containers=[{"name": "main", "image": "x", "lifecycle": {"preStop": handler}}])


def test_a_podman_that_expands_commands_gets_dollars_doubled_and_the_pod_stays_the_same() -> None:
    main = {"name": "main", "image": "x", "command": ["sh", "-c", "echo $$(A) $HOME"]}
    spec = {"containers": [main], "initContainers": [{**INIT, "args": ["$(date)"]}]}
    workload = Workload(name="web", specification=json.dumps(spec))
    old, new = (
        build_pod(workload, [], DeviceFacts("d", version), PATHS)
        for version in ((4, 6, 2), (4, 7, 0))
    )
    assert played(old)["spec"]["containers"][0]["command"][2] == "echo $(A) $HOME"
    assert played(new)["spec"]["containers"][0]["command"][2] == "echo $$(A) $$HOME"
    assert initial(new)["spec"]["containers"][0]["args"] == ["$$(date)"]
    assert old.digest == new.digest


def test_another_podman_rewrites_the_files_of_a_pod_and_lets_it_run() -> None:
    old, new = build(), replace(build(), manifest=b"{}")
    record = WorkloadRecord(old.digest, None, FORMAT, old.rendering)
    current = Current(record, UnitState("active", "running"), old.digest)
    assert plan_steps("web", old, current) == ()
    assert plan_steps("web", new, current) == (WriteFiles(new),)


def test_a_pod_that_needs_none_of_this_has_no_plan() -> None:
    pod = build()
    assert pod.process.is_empty
    assert pod.init_manifest is None


def drop_in(tmp_path: Path, pod: Pod) -> str:
    files = WorkloadFiles(tmp_path / "w", tmp_path / "v", tmp_path / "units")
    files.write_pod(pod)
    return next((tmp_path / "units").glob("*.d/*.conf")).read_text()


def test_the_unit_prepares_before_it_plays_and_a_start_may_take_hours(tmp_path: Path) -> None:
    volume = {"name": "v", "emptyDir": {}}
    mount = {"name": "v", "mountPath": "/v", "subPath": "a"}
    main = {"name": "main", "image": "x", "volumeMounts": [mount]}
    text = drop_in(tmp_path, build(containers=[main], initContainers=[INIT], volumes=[volume]))
    before = [line for line in text.splitlines() if line.startswith("ExecStartPre=/usr/bin/env")]
    assert [" prepare " in before[0], " initialise " in before[1], " late " in before[2]] == [
        True
    ] * 3
    assert "TimeoutStartSec=infinity" in text
    assert "ExecStart=" not in text.splitlines()
    assert (tmp_path / "w/web/init.yaml").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "w/web/process.json").stat().st_mode & 0o777 == 0o600


def test_a_pod_whose_name_is_like_an_id_is_not_taken_for_another(tmp_path: Path) -> None:
    guard = "podman pod create --infra=false --name db >/dev/null 2>&1; "
    text = drop_in(tmp_path, build("db"))
    assert f"ExecStartPre=/bin/sh -c '{guard}podman pod rm -f -t 0 -- db'" in text
    assert text.count(guard) == 3  # before pod stop and --down as well
    play = f"ExecStart=podman play kube --service-container=true {tmp_path / 'w/db/pod.yaml'}"
    assert f"ExecStart=\n{play}\n" in text
    assert "pod create" not in drop_in(tmp_path / "other", build("web"))


def test_a_pod_ends_with_the_hooks_that_it_was_started_with(tmp_path: Path) -> None:
    hooked = {"name": "main", "image": "x", "lifecycle": {"preStop": {"sleep": {"seconds": 1}}}}
    started = tmp_path / "w/web/process.started.json"
    copy = f"ExecStartPre=-/bin/ln -f {started.with_name('process.json')} {started}"
    text = drop_in(tmp_path, build(containers=[hooked], terminationGracePeriodSeconds=600))
    assert copy in text
    started.write_bytes((tmp_path / "w/web/process.json").read_bytes())
    started.with_name("grace.started").symlink_to("600")
    text = drop_in(tmp_path, build())
    assert " pre-stop " in text
    assert "TimeoutStopSec=660" in text
    assert f"ExecStartPre=-/bin/rm -f -- {started}" in text
    started.unlink()
    assert "process" not in drop_in(tmp_path, build())


def test_a_pod_ends_with_the_grace_period_that_it_was_started_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin/podman"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    def run_lines(text: str, setting: str) -> None:
        """Run the commands of a setting as systemd does."""
        for line in text.splitlines():
            if line.startswith(f"{setting}=") and not line.endswith("="):
                command = line.partition("=")[2].removeprefix("-")
                words = shlex.split(command.replace("%I", "/pod.yaml"))
                subprocess.run([word.replace("$$", "$") for word in words], check=True)

    old = drop_in(tmp_path, build(terminationGracePeriodSeconds=600))
    run_lines(old, "ExecStop")
    run_lines(old, "ExecStartPre")
    new = drop_in(tmp_path, build(terminationGracePeriodSeconds=5))
    assert "TimeoutStopSec=660" in new
    run_lines(new, "ExecStop")
    run_lines(new, "ExecStartPre")
    run_lines(new, "ExecStop")
    stops = [call for call in (tmp_path / "calls").read_text().splitlines() if " stop " in call]
    assert stops == [f"pod stop -t {grace} -- web" for grace in (600, 600, 5)]


def test_manifests_with_the_secrets_of_an_earlier_specification_go(tmp_path: Path) -> None:
    main = {"name": "main", "image": "x", **field("status.podIP")}
    drop_in(tmp_path, build(containers=[main]))
    for name in ("pod.addressed.yaml", "init.addressed.yaml"):
        (tmp_path / "w/web" / name).touch()
    drop_in(tmp_path, build(containers=[main]))
    assert (tmp_path / "w/web/pod.addressed.yaml").exists()
    drop_in(tmp_path, build())
    assert not list((tmp_path / "w/web").glob("*.addressed.yaml"))


def test_podman_can_read_every_character() -> None:
    text = '\U0001f600 caf\u00e9 \u2028 \x7f \x85 \ufeff \\ud83d "\n\t%$ \U0010ffff'
    manifest = serialize({"args": [text]}).decode()
    assert json.loads(manifest) == load_yaml(manifest) == {"args": [text]}
    # YAML has no pairs of surrogates; of characters, it takes those beyond the first plane.
    assert "\U0001f600 caf\\u00e9 \\u2028 \\u007f" in manifest


def test_a_host_name_is_not_longer_than_linux_has_it() -> None:
    name = "a" * 80
    assert played(build(name))["spec"]["hostname"] == "a" * 63
    assert "hostname" not in played(build("a" * 63))["spec"]
    assert played(build(name, hostname="shop"))["spec"]["hostname"] == "shop"


def test_images_of_init_containers_are_in_use_while_none_of_them_runs(tmp_path: Path) -> None:
    files = WorkloadFiles(tmp_path / "w", tmp_path / "v", tmp_path / "units")
    files.write_pod(build(initContainers=[INIT]))
    assert list_images(files) == {"tool", "x"}


@pytest.mark.parametrize(
    ("policy", "always", "never"),
    [("Always", ("data",), ()), ("Never", (), ("data",)), ("", (), ())],
)
def test_an_image_that_is_a_volume_is_pulled_and_kept_like_that_of_a_container(
    tmp_path: Path, policy: str, always: tuple[str, ...], never: tuple[str, ...]
) -> None:
    volumes = [{"name": "v", "image": {"reference": "data", "pullPolicy": policy}}]
    pod = build(podman=(5, 4, 0), volumes=volumes)
    assert (pod.images, pod.always_pull, pod.never_pull) == (("x", "data"), always, never)
    [mounted, _] = played(pod)["spec"]["volumes"]
    assert mounted["image"]["pullPolicy"] == ("Never" if never else "IfNotPresent")
    files = WorkloadFiles(tmp_path / "w", tmp_path / "v", tmp_path / "units")
    files.write_pod(pod)
    assert list_images(files) == {"x", "data"}


def test_what_a_pod_no_longer_needs_is_removed(tmp_path: Path) -> None:
    drop_in(tmp_path, build(initContainers=[INIT]))
    text = drop_in(tmp_path, build())
    assert "pod_unit" not in text
    assert not (tmp_path / "w/web/init.yaml").exists()
    assert not (tmp_path / "w/web/process.json").exists()


@pytest.mark.parametrize("path", ["status.podIP", "status.hostIP"])
def test_a_pod_that_asks_for_an_address_is_played_with_one(tmp_path: Path, path: str) -> None:
    main = {"name": "main", "image": "x", **field(path)}
    text = drop_in(tmp_path, build(containers=[main]))
    assert " addresses " in text
    lines = text.splitlines()
    play = lines[lines.index("ExecStart=") + 1]
    assert play.endswith(f"$FLOTTA_POD_NETWORK {tmp_path / 'w/web/pod.addressed.yaml'}")


@pytest.mark.parametrize(
    ("container", "spec", "digest"),
    [
        ({}, {}, "19a473ec09cfcbc7"),
        ({"ports": [{"containerPort": 80, "hostPort": 8080}]}, {}, "50c6d828ac6fbfe9"),
        ({"command": ["sh", "-c", "echo $HOME $(date)"]}, {}, "d92ccd042f15c577"),
        ({"lifecycle": {"preStop": {"exec": {"command": ["a"]}}}}, {}, "3e3fde460ab54a10"),
        ({}, {"restartPolicy": "Never"}, "b2c58836d0a8d453"),
    ],
    ids=["plain", "ports", "command", "hook", "runs once"],
)
def test_a_pod_of_0_1_0_runs_on_after_the_upgrade(
    container: dict[str, Any], spec: dict[str, Any], digest: str
) -> None:
    # The digests that 0.1.0 computes: a device replaces a pod with another one.
    assert build(containers=[{"name": "main", "image": "x", **container}], **spec).digest == digest


def test_a_pod_with_init_containers_has_the_same_labels_as_they_do() -> None:
    pod = build(initContainers=[INIT])
    labels = played(pod)["metadata"]["labels"]
    assert initial(pod)["metadata"]["labels"] == labels
    # Another digest replaces such pods on every device: say so in docs/how-to/upgrade.md.
    assert labels["project-flotta.io/digest"] == pod.digest == "cc35e5c26575641b"


def made(name: str, state: str, code: int = 0, *, is_init: bool = True) -> Container:
    return Container("0" * 64, name, "web", "d", state, code, 1, is_init=is_init)


def test_the_status_names_the_init_container_that_runs() -> None:
    state = derive_state(Observation(ACTIVATING, [made("one", "exited"), made("two", "running")]))
    assert (state.phase, state.reason) == ("Deploying", "Initializing")
    assert state.message == 'init container "two" is running'


@pytest.mark.parametrize("unit", [ACTIVATING, UnitState("inactive", "dead")])
def test_the_status_names_the_init_container_that_failed(unit: UnitState) -> None:
    state = derive_state(Observation(unit, [made("one", "exited", 3), made("two", "created")]))
    assert (state.phase, state.reason) == ("Error", "InitContainerFailed")
    assert state.message == 'init container "one" exited with code 3'


def test_init_containers_do_not_count_once_the_pod_runs() -> None:
    left = made("one", "exited", 3)
    running = made("main", "running", is_init=False)
    state = derive_state(Observation(UnitState("active", "running"), [left, running]))
    assert (state.phase, state.reason) == ("Running", "")


def test_podmans_listing_tells_init_containers_from_others() -> None:
    entry = {
        "Id": "1",
        "Names": ["web_init-prepare"],
        "Labels": {podman.WORKLOAD_LABEL: "web"},
        "State": "running",
    }
    found = podman._parse_container(entry)  # type: ignore[arg-type]
    assert (found.name, found.is_init) == ("prepare", True)
    other = podman._parse_container({**entry, "Names": ["web-init-x"]})  # type: ignore[arg-type, typeddict-item]
    assert (other.name, other.is_init) == ("init-x", False)


def check_root(user: str, *, pod: dict[str, Any] | None = None, **own: Any) -> None:
    main = {"name": "main", "image": "x", "securityContext": own}
    for check in build(containers=[main], securityContext=pod or {}).process.non_root:
        check_user(check, user)


@pytest.mark.parametrize("user", ["", "0", "0:10", "00", "root", "app", "app:1000"])
def test_a_container_that_may_be_root_is_not_started(user: str) -> None:
    with pytest.raises(WorkloadError, match='container "main" has runAsNonRoot') as raised:
        check_root(user, runAsNonRoot=True)
    assert raised.value.reason == "CreateContainerConfigError"


@pytest.mark.parametrize("user", ["1000", "1000:0", "65534"])
def test_an_image_with_a_number_other_than_0_is_not_root(user: str) -> None:
    check_root(user, runAsNonRoot=True)


def test_the_container_counts_before_the_pod_and_a_number_before_the_image() -> None:
    check_root("root", runAsNonRoot=True, runAsUser=1000)
    check_root("root", pod={"runAsNonRoot": True, "runAsUser": 1000})
    check_root("root", pod={"runAsNonRoot": True}, runAsNonRoot=False)
    check_root("root", pod={"runAsNonRoot": False})
    check_root("root", pod={"runAsUser": 0})
    with pytest.raises(WorkloadError, match="runAsUser 0"):
        check_root("1000", runAsUser=0, pod={"runAsNonRoot": True, "runAsUser": 1000})
    with pytest.raises(WorkloadError, match="runs as root"):
        check_root("", pod={"runAsNonRoot": True})


def test_init_containers_must_not_be_root_either() -> None:
    pod = build(initContainers=[INIT], securityContext={"runAsNonRoot": True})
    assert [check.container for check in pod.process.non_root] == ["prepare", "main"]


def test_the_cause_of_a_failed_start_has_a_reason() -> None:
    assert classify_start_failure('init container "a" exited with code 1') == "InitContainerFailed"
    root = 'container "a" has runAsNonRoot and image x runs as root'
    assert classify_start_failure(root) == "CreateContainerConfigError"
    failed = 'the postStart hook of container "a" failed: exit 1'
    assert classify_start_failure(failed) == "PostStartHookFailed"
