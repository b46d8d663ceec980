"""The build of a base: what it leaves behind when it ends early, and parts of the image."""

from __future__ import annotations

import fcntl
import lzma
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from test_base_request import make_wheelhouse, refusal

from flotta.images.base_record import AREA, PATH, dump_record, parse_record
from flotta.images.build import base_image, isolated, root_archive, workspace
from flotta.images.build.architectures import AMD64
from flotta.images.build.base_image import build_base, plan_build
from flotta.images.build.initramfs import make_initramfs
from flotta.images.build.isolated import require_tools, run_isolated
from flotta.images.build.kernel_modules import needed_modules
from flotta.images.build.request import BaseRequest
from flotta.images.build.suites import BOOKWORM
from flotta.images.build.system_files import RENDERED, render
from flotta.images.build.system_files import _variables as variables
from flotta.images.build.wheelhouse import Wheelhouse
from flotta.images.build.workspace import open_workspace
from flotta.images.directory_lock import lock_directory
from flotta.images.errors import ImageError
from flotta.images.iso.iso9660 import open_iso
from flotta.images.working_directory import PREFIX
from small_disk import mount_small_disk
from small_iso import make_base, make_iso
from waiting import wait_until

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="makes namespaces")
KERNEL = "6.1.0-1-amd64"


@pytest.fixture
def request_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BaseRequest:
    """Return a request whose tools count as installed."""
    monkeypatch.setattr(base_image, "TOOLS", ())
    (tmp_path / "out").mkdir()
    wheels = make_wheelhouse(tmp_path / "wheels")
    return BaseRequest(BOOKWORM, AMD64, wheels, tmp_path / "out/base.iso", cache=tmp_path / "cache")


def make_current(request: BaseRequest, inputs: str) -> None:
    """Put a base at the path of the request, made from these inputs."""
    base = make_base(request.output)
    with open_iso(base) as iso:
        record = parse_record(iso.read(PATH) or b"")
        made = dump_record(type(record)(**{**fields(record), "inputs": inputs}))
        area = iso.read(AREA) or b""
    make_iso(base, {PATH: made, AREA: area})


def fields(record: object) -> dict[str, object]:
    return {name: getattr(record, name) for name in record.__struct_fields__}  # type: ignore[attr-defined]


def test_an_image_that_was_made_from_the_same_is_not_built(request_: BaseRequest) -> None:
    plan = plan_build(request_)
    assert plan.changes
    make_current(request_, plan.inputs)
    assert not plan_build(request_).changes
    assert plan_build(replace(request_, refresh=True)).changes
    assert plan_build(replace(request_, packages=("curl",))).changes


def test_only_a_pristine_base_is_replaced(request_: BaseRequest) -> None:
    request_.output.write_bytes(b"somebody's file")
    with refusal("DestinationForeign"):
        plan_build(request_)
    assert request_.output.read_bytes() == b"somebody's file"
    assert plan_build(replace(request_, force=True)).changes

    make_current(request_, "")
    with open_iso(request_.output) as iso:
        area = iso.find(AREA)
    assert area is not None
    with open(request_.output, "r+b") as file:
        file.seek(area.extent.offset)
        file.write(b"070701")
    with pytest.raises(ImageError, match="settings of devices"):
        plan_build(request_)


def test_a_missing_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ImageError, match=r"mksquashfs, xorriso.*squashfs-tools, xorriso.*\[ToolM"):
        require_tools(["mksquashfs", "xorriso"])


def test_a_user_without_rights_is_told(
    request_: BaseRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_build(request_)
    monkeypatch.setattr(isolated.os, "geteuid", lambda: 1000)
    with pytest.raises(ImageError, match="built by root"):
        build_base(plan)
    assert os.listdir(request_.output.parent) == []


def test_a_disk_with_too_little_space_is_found_out_at_once(tmp_path: Path) -> None:
    with (
        mount_small_disk(tmp_path / "small") as disk,
        refusal("NoSpace"),
        open_workspace(disk.path / "base.iso"),
    ):
        pytest.fail("there is no space")


@NEEDS_ROOT
def test_a_disk_that_becomes_full_is_said_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspace, "NEEDED", 0)
    with mount_small_disk(tmp_path / "small") as disk:
        with refusal("NoSpace"), open_workspace(disk.path / "base.iso") as work:
            run_isolated(["dd", "if=/dev/zero", f"of={work}/big", "bs=1M"])
        assert os.listdir(disk.path) == []


def test_a_missing_directory_is_said(tmp_path: Path) -> None:
    with refusal("DestinationUnusable"), open_workspace(tmp_path / "missing/base.iso"):
        pytest.fail("there is no directory")


def test_what_a_killed_build_left_goes_and_what_another_uses_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspace, "NEEDED", 0)
    left, used = tmp_path / f"{PREFIX}left", tmp_path / f"{PREFIX}used"
    for folder in (left, used):
        (folder / "root").mkdir(parents=True)
    holder = os.open(used, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    try:
        with open_workspace(tmp_path / "base.iso") as work:
            assert sorted(os.listdir(tmp_path)) == sorted([work.name, used.name])
    finally:
        os.close(holder)
    assert os.listdir(tmp_path) == [used.name]


BUILDER = """
import sys
from pathlib import Path
from flotta.images.build import workspace
from flotta.images.build.isolated import run_isolated
workspace.NEEDED = 0
with workspace.open_workspace(Path(sys.argv[1]) / "base.iso") as work:
    script = f"mount -t tmpfs none {work}; sleep 300 & echo $PPID >{work}/../started; wait"
    run_isolated(["sh", "-c", script])
"""


@NEEDS_ROOT
def test_a_builder_that_is_killed_takes_its_programs_and_mounts_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder = subprocess.Popen([sys.executable, "-c", BUILDER, tmp_path])
    wait_until(lambda: (tmp_path / "started").exists())
    builder.send_signal(signal.SIGKILL)
    builder.wait()
    [left] = [path for path in tmp_path.iterdir() if path.name.startswith(PREFIX)]
    assert not os.path.ismount(left)

    def everything_ended() -> bool:
        handle = os.open(left, os.O_RDONLY)  # its programs hold the lock as long as one lives
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            return True
        finally:
            os.close(handle)

    wait_until(everything_ended)
    monkeypatch.setattr(workspace, "NEEDED", 0)
    with open_workspace(tmp_path / "base.iso"):
        assert not left.exists()


@NEEDS_ROOT
def test_a_program_that_fails_is_quoted() -> None:
    with pytest.raises(ImageError, match=r"sh failed with status 3.*wrong.*\[ToolFailed\]"):
        run_isolated(["sh", "-c", "echo wrong; exit 3"])


def make_root(folder: Path) -> Path:
    """Write a root with a busybox and modules: three in a row, one that is not needed."""
    modules = folder / "usr/lib/modules" / KERNEL
    contents = {
        "kernel/drivers/usb/storage/usb-storage.ko": b"storage",
        "kernel/drivers/usb/core/usbcore.ko.xz": lzma.compress(b"core"),
        "kernel/drivers/net/tg3.ko": b"net",
    }
    for path, content in contents.items():
        (modules / path).parent.mkdir(parents=True, exist_ok=True)
        (modules / path).write_bytes(content)
    (modules / "modules.dep").write_text(
        "kernel/drivers/usb/storage/usb-storage.ko: kernel/drivers/usb/core/usbcore.ko.xz\n"
        "kernel/drivers/usb/core/usbcore.ko.xz:\nkernel/drivers/net/tg3.ko:\n"
    )
    (modules / "modules.alias").write_text(
        "# Aliases\nalias usb:v*p*ic08* usb_storage\nalias pci:v000014E4* tg3\n"
    )
    (folder / "boot/build/bin").mkdir(parents=True)
    (folder / "boot/build/bin/busybox").write_bytes(b"busybox")
    return folder


def test_the_initramfs_has_the_drivers_of_media_and_what_they_need(tmp_path: Path) -> None:
    found = needed_modules(make_root(tmp_path) / "usr/lib/modules" / KERNEL)
    assert found["kernel/drivers/usb/core/usbcore.ko"] == b"core"
    assert "kernel/drivers/net/tg3.ko" not in found
    assert found["modules.alias"] == b"alias usb:v*p*ic08* usb_storage\n"
    assert found["modules.dep"].splitlines()[1] == (
        b"kernel/drivers/usb/storage/usb-storage.ko: kernel/drivers/usb/core/usbcore.ko"
    )


def test_the_initramfs_is_the_same_for_the_same_and_starts_with_init(tmp_path: Path) -> None:
    made = make_initramfs(make_root(tmp_path), KERNEL, 1000)
    assert made == make_initramfs(tmp_path, KERNEL, 1000)
    unpacked = subprocess.run(
        ["sh", "-c", "gzip -dc | cpio --quiet -i --to-stdout init"],
        input=made,
        capture_output=True,
        check=True,
    )
    assert unpacked.stdout.startswith(b"#!/bin/busybox sh\n")


def test_the_units_are_those_of_the_role_and_need_no_ansible() -> None:
    house = Wheelhouse(Path(), "0" * 64, "flotta_edge-0.2.0-py3-none-any.whl", (), 0)
    texts = {name: render(name, variables(AMD64, house)) for name in RENDERED}
    assert all("{{" not in text and "{%" not in text for text in texts.values())
    worker = texts["flotta-device-worker.service"]
    assert "ExecStart=/opt/flotta/current/bin/flotta-device-worker\n" in worker
    assert "YGG_CONFIG_DIR" not in worker
    gateway = texts["flotta-gateway.service"]
    assert "ReadWritePaths=-/etc/pki/consumer/device /run/flotta\n" in gateway
    assert "--output /dev/tty1 --output /dev/ttyS0\n" in texts["flotta-console.service"]


def test_apt_gets_credentials_in_a_file_that_nobody_else_reads(
    request_: BaseRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def run(command: list[str], **_: object) -> None:
        seen.extend(command)
        (tmp_path / "root.tar").write_bytes(b"tar")

    monkeypatch.setattr(root_archive, "run_isolated", run)
    mirror = "http://ci:s3cret@mirror.example"
    given = replace(request_, mirrors=(f"{mirror}/debian", f"{mirror}/debian-security"))
    root_archive.root_archive(given, tmp_path)
    assert "s3cret" not in " ".join(seen)
    assert "deb http://mirror.example/debian bookworm main" in seen
    secret = tmp_path / "auth.conf"
    assert secret.read_text() == (
        "machine http://mirror.example/debian login ci password s3cret\n"
        "machine http://mirror.example/debian-security login ci password s3cret\n"
    )
    assert secret.stat().st_mode & 0o777 == 0o600


@NEEDS_ROOT
def test_a_damaged_archive_of_the_cache_is_made_again(
    request_: BaseRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[BaseRequest] = []

    def archive(request: BaseRequest, work: Path) -> Path:
        made.append(request)
        path = request.cache / "kept.tar"
        path.parent.mkdir(exist_ok=True)
        if request.refresh:
            (tmp_path / "new/etc/apt").mkdir(parents=True)
            subprocess.run(["tar", "-cf", path, "-C", tmp_path / "new", "."], check=True)
        else:
            path.write_bytes(b"cut off")
        return path

    monkeypatch.setattr(base_image, "root_archive", archive)
    for name in ("install_programs", "write_system_files", "add_container_images"):
        monkeypatch.setattr(base_image, name, lambda *_: None)
    said: list[str] = []
    root = base_image._make_root(plan_build(request_), tmp_path, said.append)
    assert [request.refresh for request in made] == [False, True]
    assert "deb " not in (root / "etc/apt/sources.list").read_text()
    assert any("kept.tar is damaged" in sentence for sentence in said)


@pytest.mark.parametrize("root", ["", "/", "//", "/proc/self/root", "/nonexistent"])
def test_the_hook_removes_nothing_of_the_machine_that_builds(root: str, tmp_path: Path) -> None:
    """Its first command that would change something is replaced, in case it gets there."""
    (tmp_path / "mkdir").write_text("#!/bin/sh\necho reached >&2\nexit 1\n")
    (tmp_path / "mkdir").chmod(0o755)
    hook = str(files("flotta.images.build").joinpath("data", "customize.sh"))
    done = subprocess.run(
        ["sh", hook, root, "linux-image-amd64"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "MMDEBSTRAP_APT_CONFIG": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "not a directory of its own" in done.stderr
    assert "reached" not in done.stderr


def test_builds_beside_each_other_do_not_take_each_others_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build that has its directory, but not yet its lock, keeps the next one waiting."""
    monkeypatch.setattr(workspace, "NEEDED", 0)
    make = tempfile.mkdtemp

    def slow(prefix: str, dir: Path) -> str:  # noqa: A002  # as tempfile names it
        made = make(prefix=prefix, dir=dir)
        monkeypatch.setattr(tempfile, "mkdtemp", make)
        with (
            pytest.raises(ImageError, match="DestinationBusy"),
            lock_directory(tmp_path / "base.iso", 0.1),
        ):
            pytest.fail("another build could remove it")
        return made

    monkeypatch.setattr(tempfile, "mkdtemp", slow)
    with open_workspace(tmp_path / "base.iso"):
        pass
