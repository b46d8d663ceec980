"""What the unit of a pod does to its volumes before podman, with real mounts."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from flotta.tree_removal import remove_tree
from flotta.worker.volumes.mounts import remove_mounts
from flotta.worker.volumes.ownership import give_to_group
from flotta.worker.volumes.plan import (
    HostPathType,
    MemoryDirectory,
    ScratchDirectory,
    SubPath,
    VolumePlan,
    encode_plan,
)
from flotta.worker.volumes.preparation import (
    PreparationError,
    mount_late_paths,
    prepare_volumes,
)
from flotta.worker.volumes.safe_paths import UnsafePathError, open_beneath
from flotta.worker.volumes.stale import remove_stale
from flotta.worker.workloads.unit_lines import find_program

GROUP = 2000


@pytest.fixture
def mounts(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "mounts"
    assert remove_mounts(tmp_path / "mounts") == []


def sub_path(base: Path, path: str, target: Path, *, first: bool = False) -> SubPath:
    return SubPath("v", path, str(target), base=str(base), first=first)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_an_empty_dir_is_there_and_open_to_all_and_keeps_what_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "w/volumes/data"
    plan = VolumePlan(scratch=(ScratchDirectory("data", str(path)),))
    prepare_volumes(plan)
    assert mode_of(path) == 0o777
    path.chmod(0o700)
    (path / "state").touch()
    prepare_volumes(plan)
    assert (mode_of(path), os.listdir(path)) == (0o700, ["state"])


@pytest.mark.parametrize(
    ("kind", "path", "problem"),
    [
        ("Directory", "folder", ""),
        ("File", "file", ""),
        ("File", "link", ""),
        ("FileOrCreate", "absent", ""),
        ("Directory", "absent", "absent does not exist"),
        ("Directory", "file", "file is not a directory"),
        ("DirectoryOrCreate", "file", "file is not a directory"),
        ("FileOrCreate", "folder", "folder is not a file"),
        ("File", "/dev/null", "/dev/null is not a file"),
        ("File", "file/below", "Not a directory"),
    ],
)
def test_a_host_path_must_be_of_its_type(
    tmp_path: Path, kind: str, path: str, problem: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    plan = VolumePlan(host_paths=(HostPathType("v", str(tmp_path / path), kind),))
    if not problem:
        prepare_volumes(plan)
        return
    with pytest.raises(PreparationError, match=f'^volume "v": .*{problem}$'):
        prepare_volumes(plan)


def test_a_tmpfs_has_its_limit_and_keeps_its_files_when_the_pod_starts_again(mounts: Path) -> None:
    path = mounts / "m-data"
    for size in (1 << 20, 2 << 20):
        prepare_volumes(VolumePlan(memory=(MemoryDirectory("data", str(path), size),)))
        found = os.statvfs(path)
        assert found.f_blocks * found.f_frsize == size
        (path / "state").touch()
    assert (mode_of(path), os.listdir(path)) == (0o777, ["state"])
    with pytest.raises(OSError, match="No space left"):
        (path / "big").write_bytes(bytes(3 << 20))


def test_a_tmpfs_has_its_new_limit_whatever_is_in_it(mounts: Path) -> None:
    path = mounts / "m-data"

    def prepare(size: int | None) -> int:
        prepare_volumes(VolumePlan(memory=(MemoryDirectory("data", str(path), size),)))
        found = os.statvfs(path)
        return found.f_blocks * found.f_frsize

    default = prepare(None)
    assert prepare(8 << 20) == 8 << 20
    (path / "big").write_bytes(bytes(3 << 20))
    assert prepare(None) == default
    assert prepare(1 << 20) == 1 << 20
    assert (mode_of(path), os.listdir(path)) == (0o777, [])


def test_a_path_inside_a_volume_is_mounted_and_made_if_it_is_missing(
    tmp_path: Path, mounts: Path
) -> None:
    base = tmp_path / "base"
    base.mkdir()
    base.chmod(0o2770)
    plan = VolumePlan(sub_paths=(sub_path(base, "a/b", mounts / "p-1"),))
    mount_late_paths(plan)
    (mounts / "p-1/file").write_text("x")
    assert (base / "a/b/file").read_text() == "x"
    assert mode_of(base / "a/b") & 0o777 == 0o770


def test_a_file_inside_a_volume_is_mounted(tmp_path: Path, mounts: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "app.conf").write_text("old")
    plan = VolumePlan(sub_paths=(sub_path(base, "app.conf", mounts / "p-1"),))
    for content in ("one", "two"):  # an editor replaces the file; the next start has the new one
        (base / "new").write_text(content)
        (base / "new").rename(base / "app.conf")
        mount_late_paths(plan)
        assert (mounts / "p-1").read_text() == content


@pytest.mark.parametrize("path", ["link", "link/etc", "dir/link", "deep/../../etc"])
def test_a_link_that_a_container_made_leads_nowhere(
    tmp_path: Path, mounts: Path, path: str
) -> None:
    base = tmp_path / "base"
    (base / "dir").mkdir(parents=True)
    (base / "link").symlink_to("/")
    (base / "dir/link").symlink_to("/etc/passwd")
    plan = VolumePlan(sub_paths=(sub_path(base, path, mounts / "p-1"),))
    with pytest.raises(PreparationError, match='volume "v": path'):
        mount_late_paths(plan)
    assert not mounts.exists()


def test_what_is_mounted_stays_when_its_name_becomes_a_link(tmp_path: Path, mounts: Path) -> None:
    base = tmp_path / "base"
    (base / "a").mkdir(parents=True)
    mount_late_paths(VolumePlan(sub_paths=(sub_path(base, "a", mounts / "p-1"),)))
    (base / "a").rename(base / "was-a")
    (base / "a").symlink_to("/etc")
    assert os.listdir(mounts / "p-1") == []


def test_a_link_that_comes_at_the_last_moment_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir = os.mkdir

    def swap(name: str, mode: int, *, dir_fd: int) -> None:
        mkdir(name, mode, dir_fd=dir_fd)
        os.rmdir(name, dir_fd=dir_fd)
        os.symlink("/etc", name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", swap)
    base = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(UnsafePathError), open_beneath(base, PurePosixPath("a/b"), make_mode=0o755):
        pass
    os.close(base)


def test_the_removal_of_mounts_touches_nothing_that_is_mounted(
    tmp_path: Path, mounts: Path
) -> None:
    base = tmp_path / "base"
    (base / "a/inner").mkdir(parents=True)
    (base / "a/kept").write_text("x")
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(base / "a/inner")], check=True)
    try:
        mount_late_paths(VolumePlan(sub_paths=(sub_path(base, "a", mounts / "p-1"),)))
        assert remove_mounts(mounts) == []
        assert not mounts.exists()
        assert (base / "a/kept").read_text() == "x"
        assert os.path.ismount(base / "a/inner")
    finally:
        subprocess.run(["umount", str(base / "a/inner")], check=True)


def test_what_a_pod_no_longer_has_goes_and_nothing_else(tmp_path: Path, mounts: Path) -> None:
    base, scratch = tmp_path / "base", tmp_path / "volumes"
    (base / "a").mkdir(parents=True)
    (base / "a/kept").touch()
    kept = ScratchDirectory("kept", str(scratch / "kept"))
    before = VolumePlan(
        scratch=(kept, ScratchDirectory("old", str(scratch / "old"))),
        memory=(MemoryDirectory("old", str(mounts / "m-old"), 1 << 20),),
        sub_paths=(sub_path(base, "a", mounts / "p-old", first=True),),
    )
    prepare_volumes(before)
    (scratch / "old/file").touch()
    (scratch / "kept/file").touch()
    assert remove_stale(VolumePlan(scratch=(kept,)), scratch, mounts) == []
    assert [path.name for path in scratch.rglob("*")] == ["kept", "file"]
    assert os.listdir(mounts) == []
    assert os.listdir(base / "a") == ["kept"]


def test_what_is_left_in_a_directory_of_mounts_is_not_removed(mounts: Path) -> None:
    (mounts / "p-1").mkdir(parents=True)
    (mounts / "p-1/somebodys").touch()
    [failure] = remove_mounts(mounts)
    assert "not empty" in failure.reason
    (mounts / "p-1/somebodys").unlink()


def test_a_tree_belongs_to_the_group_with_all_that_is_made_in_it_later(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "a/b").mkdir(parents=True)
    (tree / "a/b/file").touch(mode=0o600)
    (tree / "link").symlink_to("/etc/passwd")
    assert give_to_group(tree, GROUP, on_mismatch=False) == 4
    (tree / "a/later").touch()
    found = {path.name: (path.stat().st_gid, mode_of(path)) for path in (tree / "a").rglob("*")}
    assert found["file"] == (GROUP, 0o660)
    assert found["b"] == (GROUP, 0o2775)
    assert found["later"][0] == GROUP
    assert Path("/etc/passwd").stat().st_gid == 0
    assert give_to_group(tree, GROUP, on_mismatch=False) == 1  # only what is new


def test_a_tree_whose_root_has_the_group_is_not_gone_through_again(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    give_to_group(tmp_path, GROUP, on_mismatch=True)
    os.chown(tmp_path / "a", 0, 0)
    assert give_to_group(tmp_path, GROUP, on_mismatch=True) == 0


def test_an_interrupted_change_is_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        (tmp_path / name).touch()
    chown, seen = os.chown, []

    def end(path: str, user: int, group: int) -> None:
        if len(seen) == 2:
            raise OSError("killed")
        seen.append(path)
        chown(path, user, group)

    with monkeypatch.context() as patch:
        patch.setattr(os, "chown", end)
        with pytest.raises(OSError, match="killed"):
            give_to_group(tmp_path, GROUP, on_mismatch=True)
    give_to_group(tmp_path, GROUP, on_mismatch=True)
    assert {path.stat().st_gid for path in tmp_path.iterdir()} == {GROUP}


def test_a_tree_of_any_depth_needs_few_descriptors(tmp_path: Path) -> None:
    directory = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=directory)
        inner = os.open("d", os.O_RDONLY, dir_fd=directory)
        os.close(directory)
        directory = inner
    os.close(directory)
    try:
        assert give_to_group(tmp_path, GROUP, on_mismatch=False) > 100
    finally:
        remove_tree(tmp_path / "d")  # pytest recurses


def test_the_program_of_the_unit_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")
    plan = tmp_path / "volumes.json"
    wrong = sub_path(tmp_path, "link/x", tmp_path / "mounts/p-1", first=True)
    plan.write_bytes(encode_plan(VolumePlan(sub_paths=(wrong,))))
    python, packages = find_program()
    done = subprocess.run(
        [python, "-P", "-m", "flotta.worker.volumes", "prepare", str(plan)],
        env={"PYTHONPATH": packages},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == 'Error: volume "v": path "link/x": "link" is a symbolic link\n'


def test_the_program_is_found_through_the_link_that_an_upgrade_switches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, current = tmp_path / "releases/1", tmp_path / "current"
    (release / "bin").mkdir(parents=True)
    (release / "bin/python3").touch()
    current.symlink_to(release)
    monkeypatch.setattr(sys, "prefix", str(release))
    monkeypatch.setattr(sys, "executable", str(release / "bin/python3"))
    monkeypatch.setattr("flotta.__file__", str(release / "lib/site-packages/flotta/__init__.py"))
    assert find_program([str(current / "bin/flotta-device-worker")]) == (
        str(current / "bin/python3"),
        str(current / "lib/site-packages"),
    )
    assert find_program(["/usr/bin/pytest"])[0] == str(release / "bin/python3")
