"""What pods may be told about themselves and their device."""

from __future__ import annotations

from pathlib import Path

import pytest

from flotta.protocol.models import Workload
from flotta.worker.workloads.device_facts import parse_podman_version, read_device_facts
from flotta.worker.workloads.pod_facts import OLDEST_PODMAN, DeviceFacts, PodFacts


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("podman version 4.3.1\n", (4, 3, 1)),
        ("podman version 5.0.0-rc1", (5, 0, 0)),
        ("podman version 5.4", (5, 4, 0)),
        ("", OLDEST_PODMAN),
        ("podman: command not found", OLDEST_PODMAN),
    ],
)
def test_podmans_version_is_read_from_what_it_prints(
    text: str, version: tuple[int, int, int]
) -> None:
    assert parse_podman_version(text) == version


async def test_the_memory_of_a_device_is_in_whole_mebibytes(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal:        1000999 kB\n")
    facts = await read_device_facts(tmp_path / "not" / "there", root=tmp_path)
    assert facts.memory == 1000999 * 1024 // 2**20 * 2**20
    assert facts.cpus >= 1
    assert facts.storage > 0


def test_a_pod_keeps_its_uid_and_no_two_pods_have_the_same() -> None:
    web = Workload(name="web", namespace="shop")
    there = [
        PodFacts.from_workload(web, DeviceFacts("till-1")),
        PodFacts.from_workload(web, DeviceFacts("till-2")),
        PodFacts.from_workload(Workload(name="web", namespace="lab"), DeviceFacts("till-1")),
        PodFacts.from_workload(Workload(name="db", namespace="shop"), DeviceFacts("till-1")),
    ]
    assert len({facts.uid for facts in there}) == len(there)
    assert PodFacts.from_workload(web, DeviceFacts("till-1", cpus=8)).uid == there[0].uid
