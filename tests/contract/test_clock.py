"""The wall clock of the embedded engine's machine may jump to 1970, 2038 and back by a day.

By Debian's `faketime`, in the process of the server alone; its monotonic clock goes on.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.api import Api, config_map, core, device, devices
from contract.engine import Engine

DAY = 86_400
JUMPS = {"a day back": -DAY, "a month ahead": 30 * DAY, "1970": None}
PATH = core("default", "configmaps")


class Clock:
    """The wall clock that the server sees."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.set(0)
        self.environment = {
            "LD_PRELOAD": library(),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, offset: float) -> None:
        """Set the clock ahead (or back) of the machine's, in seconds."""
        self._file.write_text(f"{offset:+.0f}\n")


def library() -> str:
    found = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if found is None or shutil.which("faketime") is None:
        pytest.skip("needs the Debian package faketime (scripts/packages.sh)")
    return str(found)


def offset_of(jump: str) -> float:
    seconds = JUMPS[jump]
    return DAY - time.time() if seconds is None else seconds


@pytest.fixture
def clock(own_engine: Engine) -> Iterator[Clock]:
    clock = Clock(own_engine.folder)
    own_engine.environment |= clock.environment
    yield clock
    own_engine.stop()


@pytest.mark.parametrize("jump", list(JUMPS))
def test_nothing_breaks_when_the_clock_jumps(own_engine: Engine, clock: Clock, jump: str) -> None:
    own_engine.start("--kept-events", "3", "--kept-seconds", "600")
    api = Api(own_engine.kubeconfig("admin"))
    first = api.create(PATH, config_map("a"))
    event = {"metadata": {"generateName": "e-"}, "involvedObject": {"namespace": "default"}}
    noted = api.create(core("default", "events"), event)["metadata"]["name"]
    held = api.create(devices("default"), device("d", finalizers=["example.com/hold"]))
    leases = "/apis/coordination.k8s.io/v1/namespaces/flotta/leases"
    api.create(leases, {"metadata": {"name": "l"}, "spec": {"holderIdentity": "o"}})
    with api.watch(PATH, f"resourceVersion={first['metadata']['resourceVersion']}") as watch:
        clock.set(offset_of(jump))
        moved = api.create(PATH, config_map("moved"))["metadata"]["creationTimestamp"]
        assert moved[:10] != first["metadata"]["creationTimestamp"][:10]
        assert watch.next()["object"]["metadata"]["name"] == "moved"
        for number in range(20):
            api.create(PATH, config_map(f"c{number}"))
        assert len(watch.take(20)) == 20
        assert api.delete(devices("default", "d")).status == 200
        released = api.merge(devices("default", "d"), {"metadata": {"finalizers": None}})
        assert released.status == 200
        assert api.get(devices("default", "d")).status == 404
        assert api.merge(f"{leases}/l", {"spec": {"holderIdentity": "p"}}).status == 200
        assert api.get(core("default", "events", noted)).status == 200
    # The window of seconds is not over, whatever the clock says.
    with api.watch(PATH, f"resourceVersion={first['metadata']['resourceVersion']}") as watch:
        assert len(watch.take(21)) == 21
    clock.set(0)
    assert api.create(PATH, config_map("back"))["metadata"]["name"] == "back"
    own_engine.stop()
    own_engine.start()
    assert api.get(f"{PATH}/moved").status == 200
    assert api.create(devices("default"), device("d"))["metadata"]["uid"] != held["metadata"]["uid"]


@pytest.mark.parametrize("jump", list(JUMPS))
def test_it_starts_whatever_the_clock_says(own_engine: Engine, clock: Clock, jump: str) -> None:
    clock.set(offset_of(jump))
    own_engine.start()
    api = Api(own_engine.kubeconfig("admin"))
    assert api.create(PATH, config_map("a"))["metadata"]["name"] == "a"


def test_an_installation_in_2038_works_when_the_clock_is_right(
    tmp_path: Path, own_engine: Engine, clock: Clock
) -> None:
    ahead = 2_160_000_000 - time.time()
    clock.set(ahead)
    for path in (own_engine.folder / "pki").iterdir():
        path.unlink()
    arguments = ["--kubeconfig-dir", str(own_engine.folder / "kubeconfig")]
    assert own_engine.command("init", *arguments, "--server", own_engine.server).returncode == 0
    own_engine.start()
    clock.set(0)
    api = Api(own_engine.kubeconfig("admin"))
    assert api.create(PATH, config_map("a"))["metadata"]["creationTimestamp"].startswith("20")


def test_an_expired_certificate_is_refused(own_engine: Engine, clock: Clock) -> None:
    own_engine.start()
    api = Api(own_engine.kubeconfig("admin"))
    assert api.get(PATH).status == 200
    clock.set(400 * DAY)
    assert api.get(PATH).status == 401
    clock.set(0)
    assert api.get(PATH).status == 200
