"""What the transferring child may do and see, on a real S3 server; as root, like the worker."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from s3_server import SOURCE
from sync_site import Site, running, with_endpoint

from flotta.sync.confinement import ACCOUNT, NOBODY
from waiting import eventually, wait_until

MEBIBYTE = 1 << 20
POD_USER = 1234  # of no account: of a container
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def give_away(path: Path, mode: int, user: int = POD_USER) -> Path:
    os.chown(path, user, user)
    path.chmod(mode)
    return path


def capabilities(status: str) -> set[str]:
    """Return the sets of capabilities in a status of proc(5), without their names."""
    return {line.split()[1] for line in status.splitlines() if line.startswith("Cap")}


async def test_files_that_only_their_owner_may_read_are_uploaded(site):
    give_away(site.write("stats/own", b"0600"), 0o600)
    give_away(site.write("stats/none", b"0000"), 0o000, POD_USER + 1)
    give_away(site.write("stats/private/deep", b"0400"), 0o400)
    give_away(site.export / "stats" / "private", 0o700)
    by_name = with_endpoint(site.storage, site.storage.endpoint.replace("127.0.0.1", "localhost"))
    async with running(site, storage=by_name) as loop:
        await eventually(lambda: loop.status("shop").files_up == 3)
    assert site.get("statistics/own") == b"0600"
    assert site.get("statistics/none") == b"0000"
    assert site.get("statistics/private/deep") == b"0400"


async def test_objects_land_in_a_folder_that_only_its_owner_may_enter(site):
    folder = site.export / "config"
    folder.mkdir()
    give_away(folder, 0o700)
    give_away(site.write("config/old", b"old"), 0o600)
    site.put("configuration/new", b"1")
    site.put("configuration/deep/new", b"2")
    site.put("configuration/old", b"3")
    async with running(site) as loop:
        await eventually(lambda: loop.status("shop").files_down == 3)
    found = folder.stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (POD_USER, 0o700)
    for name, data in {"new": b"1", "deep/new": b"2", "old": b"3"}.items():
        placed = (folder / name).stat()
        assert (placed.st_uid, stat.S_IMODE(placed.st_mode)) == (0, 0o644)
        assert (folder / name).read_bytes() == data


async def test_a_child_with_work_is_another_user_without_capabilities_and_without_files(site, link):
    give_away(site.write("stats/big", os.urandom(24 * MEBIBYTE)), 0o600)
    link.delay = 0.01
    async with running(site, storage=with_endpoint(site.storage, link.endpoint)) as loop:
        await eventually(lambda: site.server.requests("PART till-1/statistics/big"))
        child = loop._transfer._process
        assert child is not None
        process = Path(f"/proc/{child.pid}")
        status = (process / "status").read_text()
        visible = {entry.name for entry in (process / "root" / "etc").iterdir()}
        top = {entry.name for entry in (process / "root").iterdir()}
        mounts = (process / "mountinfo").read_text()
        opened = {os.readlink(entry) for entry in (process / "fd").iterdir()}
        told = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
        link.delay = 0.0
        await eventually(lambda: loop.status("shop").files_up == 1)
    users = [line.split()[1:] for line in status.splitlines() if line.startswith(("Uid", "Gid"))]
    assert users == [[str(NOBODY)] * 4] * 2 or ACCOUNT in Path("/etc/passwd").read_text()
    assert "0" not in {user for line in users for user in line}
    assert capabilities(status) == {"0" * 16}
    assert "\nNoNewPrivs:\t1\n" in status
    assert "\nGroups:\t \n" in status
    assert visible <= {"hosts", "host.conf", "nsswitch.conf", "resolv.conf", "gai.conf"} | {
        "ld.so.cache",
        "services",
    }
    assert "var" not in top
    assert not (process / "root" / str(site.base).lstrip("/")).exists()
    for line in mounts.splitlines():
        assert "ro" in line.split()[5].split(",") or line.split()[4] == "/"
    assert str(site.export / "stats" / "big") in opened
    assert not [path for path in opened if Path(path).is_dir()]
    assert site.storage.secret_key.encode() not in told


def worker(site: Site, *prefix: str) -> subprocess.Popen[bytes]:
    """Start a process that synchronises, with other rights than the tests have."""
    told = site.base / "told.json"
    wanted = {"state": str(site.base / "state"), "volumes": str(site.volumes)}
    told.write_text(json.dumps({**wanted, "storage": asdict(site.storage)}))
    script = str(Path(__file__).with_name("sync_process.py"))
    with (site.base / "log").open("wb") as log:
        return subprocess.Popen(
            [*prefix, sys.executable, script, str(told)],
            env={**os.environ, "PYTHONPATH": SOURCE},
            stderr=log,
        )


@pytest.mark.parametrize(
    ("capability", "problem"),
    [
        ("sys_admin", "they see the files of the device (unshare: Operation not permitted)"),
        ("setuid", "they keep privileges of root (Operation not permitted)"),
        ("sys_chroot", "they see the files of the device (.: Operation not permitted)"),
        ("kill", "they run as root, because the worker can end no other user's process"),
        ("all", "they run as root"),
    ],
)
def test_where_the_system_does_not_allow_it_files_are_transferred_and_the_log_says_so_once(
    site, capability, problem
):
    process = worker(site, "setpriv", f"--bounding-set=-{capability}", "--inh-caps=-all")
    try:
        site.write("stats/a", b"1")
        wait_until(lambda: site.get("statistics/a") == b"1")
        site.put("configuration/b", b"2")
        wait_until((site.export / "config" / "b").exists)
    finally:
        process.terminate()
        process.wait(60)
    lines = [line for line in (site.base / "log").read_text().splitlines() if "confined" in line]
    assert len(lines) == 1
    assert problem in lines[0]
    assert "TransfersUnconfined" in lines[0]
