"""Probes of a PodSpec: what the worker carries out, and what podman gets of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from flotta.protocol.models import Workload
from flotta.worker.errors import WorkloadError
from flotta.worker.http_get_action import HttpGet
from flotta.worker.probes.probe import Exec, Grpc, Probe, TcpSocket
from flotta.worker.probes.thresholds import Tally
from flotta.worker.workloads.device_facts import DeviceFacts
from flotta.worker.workloads.manifest import Pod, build_pod
from flotta.worker.workloads.pod_probes import take_probes
from flotta.worker.workloads.pod_spec import PodSpec
from flotta.worker.workloads.stored_probes import read_probes, write_probes
from flotta.worker.workloads.workload_paths import WorkloadPaths

DEVICE = DeviceFacts("device-1")
PATHS = WorkloadPaths(Path("/var/lib/flotta/workloads/web"), Path("/volumes/web"))
HTTP_PROBE = {"httpGet": {"port": 1, "httpHeaders": [{"name": "Authorization", "value": "secret"}]}}


def build(container: dict[str, Any], **spec: Any) -> Pod:
    text = yaml.safe_dump({"containers": [{"name": "main", "image": "i", **container}], **spec})
    return build_pod(Workload(name="web", specification=text), [], DEVICE, PATHS)


def probe_of(fields: dict[str, Any], **container: Any) -> Probe:
    found = build({"livenessProbe": fields, **container}).probes[0].liveness
    assert found is not None
    return found


def test_podman_gets_no_probe_and_the_pod_has_them_all() -> None:
    tcp = {"tcpSocket": {"port": 1}}
    pod = build({"livenessProbe": tcp, "readinessProbe": tcp, "startupProbe": tcp})
    assert not [
        name for name in json.loads(pod.manifest)["spec"]["containers"][0] if "robe" in name
    ]
    probes = pod.probes[0]
    assert probes.container == "main"
    assert probes.startup == probes.liveness == probes.readiness == Probe(action=TcpSocket(1))


def test_numbers_that_are_missing_null_or_zero_are_those_of_kubernetes() -> None:
    zero = dict.fromkeys(("periodSeconds", "timeoutSeconds", "failureThreshold"), 0)
    assert probe_of({"exec": {"command": ["true"]}, "initialDelaySeconds": None, **zero}) == Probe(
        action=Exec(("true",)),
        initial_delay=0,
        period=10,
        timeout=1,
        success_threshold=1,
        failure_threshold=3,
        grace=None,
    )


def test_a_port_may_be_one_of_the_container_by_name() -> None:
    ports = [{"containerPort": 8080, "name": "http"}]  # it has no hostPort, so podman gets none
    assert probe_of({"httpGet": {"port": "http"}}, ports=ports).action == HttpGet(8080)
    assert probe_of({"tcpSocket": {"port": "http"}}, ports=ports).action == TcpSocket(8080)
    assert probe_of({"httpGet": {"port": "8081"}}, ports=ports).action == HttpGet(8081)
    assert probe_of({"grpc": {"port": 9, "service": None}}).action == Grpc(9)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "livenessProbe: needs exactly one of exec"),
        ({"periodSeconds": 5}, "livenessProbe: needs exactly one of exec"),
        ({"exec": {"command": ["a"]}, "grpc": {"port": 1}}, "livenessProbe: needs exactly one"),
        ({"exec": {"command": []}}, "livenessProbe.exec.command: must be"),
        ({"exec": {"command": ["a\0b"]}}, "livenessProbe.exec.command: must be"),
        ({"httpGet": {"port": "web"}}, "httpGet.port: container \"main\" has no port 'web'"),
        ({"httpGet": {"port": 70000}}, "httpGet.port: must be from 1 to 65535"),
        ({"httpGet": {"port": 1, "scheme": "FTP"}}, "httpGet.scheme: must be HTTP or HTTPS"),
        ({"grpc": {"port": "grpc"}}, "grpc.port: must be a number"),
        ({"tcpSocket": {"port": 1}, "successThreshold": 2}, "successThreshold: must be 1"),
        ({"tcpSocket": {"port": 1}, "periodSeconds": -1}, "periodSeconds: must be a whole number"),
        ({"tcpSocket": {"port": 1}, "timeoutSeconds": "5"}, "timeoutSeconds: must be a whole"),
    ],
)
def test_what_no_probe_can_be_is_refused_with_its_path(
    fields: dict[str, Any], message: str
) -> None:
    container: dict[str, Any] = {"name": "main", "image": "i", "livenessProbe": fields}
    with pytest.raises(WorkloadError) as refused:
        take_probes(cast("PodSpec", {"containers": [container]}), 30)
    assert refused.value.message.startswith("spec.pod.spec.containers[0].livenessProbe")
    assert message in refused.value.message


def test_init_containers_have_no_probes_and_readiness_probes_end_nothing() -> None:
    tcp = {"tcpSocket": {"port": 1}}
    init = [{"name": "first", "image": "i", "readinessProbe": tcp}]
    with pytest.raises(WorkloadError, match=r"initContainers\[0\].readinessProbe"):
        build({}, initContainers=init)
    with pytest.raises(WorkloadError, match="terminationGracePeriodSeconds"):
        build({"readinessProbe": {**tcp, "terminationGracePeriodSeconds": 5}})


def test_another_probe_makes_another_pod_and_none_leaves_the_pod_as_it_was() -> None:
    def digest(**probe: Any) -> str:
        return build({"livenessProbe": {"tcpSocket": {"port": 1}, **probe}}).digest

    assert digest() == digest(periodSeconds=10) != digest(periodSeconds=11)
    assert build({}).digest == build({"livenessProbe": None}).digest


def test_stored_probes_are_read_for_their_pod_and_damage_reads_as_none(tmp_path: Path) -> None:
    pod = build({"livenessProbe": {"grpc": {"port": 1}}, "readinessProbe": HTTP_PROBE})
    write_probes(tmp_path, pod.digest, pod.probes)
    stored = read_probes(tmp_path)
    assert (stored.digest, stored.containers) == (pod.digest, pod.probes)
    assert (tmp_path / "probes.json").stat().st_mode & 0o777 == 0o600
    (tmp_path / "probes.json").write_text('{"digest": 1')
    assert read_probes(tmp_path).containers == ()
    write_probes(tmp_path, pod.digest, ())
    assert list(tmp_path.iterdir()) == []


def test_answers_in_a_row_decide_and_one_of_the_other_kind_starts_over() -> None:
    tally = Tally(Probe(action=TcpSocket(1), success_threshold=2, failure_threshold=3))
    answers = [False, False, True, False, False, False, False, True, True]
    decided = [tally.count(passed=answer) for answer in answers]
    assert decided == [None, None, None, None, None, False, False, None, True]
