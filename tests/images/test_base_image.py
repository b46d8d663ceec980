"""A base image that is really built: the same again, and nothing left of a build that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from flotta.images.build.architectures import AMD64
from flotta.images.build.base_image import build_base, plan_build
from flotta.images.build.request import BaseRequest
from flotta.images.build.suites import BOOKWORM
from flotta.images.working_directory import PREFIX
from images.materials import CACHE, wheelhouse
from waiting import wait_until

pytestmark = [
    pytest.mark.deep,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(os.geteuid() != 0, reason="installs packages in a chroot"),
]
LARGEST = 220_000_000  # bytes; with the programs, without container images


@pytest.fixture(scope="module")
def request_(tmp_path_factory: pytest.TempPathFactory) -> BaseRequest:
    output = tmp_path_factory.mktemp("images") / "base.iso"
    return BaseRequest(BOOKWORM, AMD64, wheelhouse(BOOKWORM), output, cache=CACHE)


def test_the_same_packages_give_the_same_bytes(request_: BaseRequest) -> None:
    record = build_base(plan_build(request_))
    content = request_.output.read_bytes()
    assert len(content) < LARGEST
    assert os.listdir(request_.output.parent) == [request_.output.name]

    other = replace(request_, output=request_.output.with_name("other.iso"))
    assert build_base(plan_build(other)) == record
    assert other.output.read_bytes() == content
    other.output.unlink()

    # From packages that are installed again, unless there are newer ones by now.
    before = request_.output.stat().st_ino
    again = build_base(plan_build(replace(request_, refresh=True)))
    if again.packages == record.packages:
        assert again == record
        assert request_.output.stat().st_ino == before


def test_a_build_that_is_killed_leaves_what_the_next_one_removes(request_: BaseRequest) -> None:
    folder = request_.output.parent
    arguments = ["--output", "killed.iso", "--wheelhouse", str(request_.wheelhouse), "--refresh"]
    command = [sys.executable, "-m", "flotta.cli.flotta", "image", "build", *arguments]
    builder = subprocess.Popen([*command, "--cache", "cache"], cwd=folder)

    def chroot() -> list[Path]:
        return [path for path in folder.glob(f"{PREFIX}*/mmdebstrap.*/proc") if path.exists()]

    wait_until(lambda: bool(chroot()), 120)
    [left] = folder.glob(f"{PREFIX}*")
    builder.send_signal(signal.SIGKILL)
    builder.wait()
    wait_until(lambda: str(left) not in running(), 30)
    assert str(left) not in Path("/proc/self/mountinfo").read_text()
    assert not (folder / "killed.iso").exists()

    build_base(plan_build(replace(request_, output=folder / "next.iso")))
    assert not left.exists()
    assert not (folder / "cache").exists()


def running() -> str:
    """Return the command lines of all processes."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return "\n".join(lines)


def test_the_wheel_has_the_templates_of_the_role(request_: BaseRequest) -> None:
    [wheel] = request_.wheelhouse.glob("flotta_edge-*.whl")
    root = Path(__file__).parents[2]
    role = root / "collections/ansible_collections/flotta/edge/roles/device/templates"
    templates = root / "src/flotta/images/build/data/templates"
    linked = [path for path in templates.iterdir() if path.is_symlink()]
    assert {path.name for path in linked} >= {"flotta-gateway.service.j2", "sysusers.j2"}
    with zipfile.ZipFile(wheel) as archive:
        for path in linked:
            packed = archive.read(f"flotta/images/build/data/templates/{path.name}")
            assert packed == (role / path.name).read_bytes()
