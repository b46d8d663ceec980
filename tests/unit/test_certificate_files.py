"""Secrets in a directory: whole, private, and never destroyed."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flotta.edge_api.backends.backend import BackendError, SecretConflict
from flotta.edge_api.backends.files.directory import SecretDirectory
from flotta.edge_api.backends.files.stores import Files
from flotta.identity.rollover import ROLL, RolloverAnswer, RolloverRequest
from flotta.protocol.reasons.authority import FORMER_CA_IN_USE
from waiting import eventually

OLD = {"ca.crt": b"old", "ca.key": b"old key", "cross.crt": b"old cross"}
NEW = {"ca.crt": b"new", "ca.key": b"new key"}
STEPS = ("mkdir", "open", "fsync", "rename", "unlink", "rmdir", "chmod", "fchmod")
NOBODY = 65534


class PowerCutError(BaseException):
    """Nothing after this point happens."""


@pytest.fixture
def directory(tmp_path: Path) -> SecretDirectory:
    return SecretDirectory(tmp_path / "certificates")


@contextmanager
def power_cut(after: int) -> Iterator[list[str]]:
    """Let so many steps happen; yield those that did."""
    done: list[str] = []

    def limited(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **kwargs: Any) -> Any:
            if len(done) >= after:
                raise PowerCutError
            done.append(name)
            return real(*args, **kwargs)

        return step

    with pytest.MonkeyPatch.context() as patch:
        for name in STEPS:
            patch.setattr(os, name, limited(name, getattr(os, name)))
        yield done


def steps_of(work: Callable[[], object]) -> int:
    with power_cut(10_000) as done:
        work()
    return len(done)


def read(directory: SecretDirectory, name: str = "flotta-ca") -> dict[str, bytes] | None:
    secret = SecretDirectory(directory.path).read(name)
    return dict(secret.data) if secret else None


def test_a_secret_is_a_private_directory_of_its_keys(directory: SecretDirectory) -> None:
    created = directory.create("flotta-ca", OLD)

    assert (directory.path / "flotta-ca/ca.crt").read_bytes() == b"old"
    modes = {path.name: path.stat().st_mode & 0o777 for path in directory.path.rglob("*")}
    assert modes == {"flotta-ca": 0o700, **dict.fromkeys(OLD, 0o600)}
    assert directory.path.stat().st_mode & 0o777 == 0o711
    assert directory.create("flotta-ca", NEW) == created
    assert directory.read("missing") is None


def test_marks_and_notes_are_kept_beside_the_data(directory: SecretDirectory) -> None:
    batch = directory.create("reg-client-ca-1", {"client.crt": b"c"}, registration=True)
    noted = directory.replace(batch, batch.data, problem="Why: because")
    request = directory.create("store", {"request": b"{}"})
    by_hand = directory.create("shops", {"batch": b"{}"})

    assert (batch.registers, batch.serves, batch.data) == (True, False, {"client.crt": b"c"})
    assert (noted.registers, noted.problem, noted.data) == (True, "Why: because", batch.data)
    assert directory.read("reg-client-ca-1") == noted
    assert directory.replace(noted, noted.data, problem="").problem == ""
    assert (request.registers, request.serves) == (False, True)
    assert (by_hand.registers, by_hand.serves) == (True, False)
    secrets, problems = directory.read_all()
    assert [secret.name for secret in secrets] == ["reg-client-ca-1", "shops", "store"]
    assert problems == []


def test_who_writes_what_it_did_not_read_is_told(directory: SecretDirectory) -> None:
    read_before = directory.create("flotta-ca", OLD)
    directory.replace(read_before, NEW)

    with pytest.raises(SecretConflict):
        directory.replace(read_before, OLD)
    with pytest.raises(SecretConflict):
        directory.remove(read_before)
    assert read(directory) == NEW


def test_a_power_cut_at_any_step_leaves_the_old_secret_or_the_new_one(
    directory: SecretDirectory, tmp_path: Path
) -> None:
    def replace() -> None:
        secret = directory.read("flotta-ca")
        assert secret
        directory.replace(secret, NEW)

    directory.create("flotta-ca", OLD)
    shutil.copytree(directory.path, tmp_path / "before")
    total = steps_of(replace)
    seen = []
    for allowed in range(total):
        shutil.rmtree(directory.path)
        shutil.copytree(tmp_path / "before", directory.path)
        with power_cut(allowed), pytest.raises(PowerCutError):
            replace()
        seen.append(read(directory))
        after = SecretDirectory(directory.path).read("flotta-ca")
        assert after
        directory.replace(after, {"ca.crt": b"later"})
        assert os.listdir(directory.path) == ["flotta-ca"]

    assert total > 10
    assert [OLD] * seen.count(OLD) + [NEW] * seen.count(NEW) == seen
    assert OLD in seen
    assert NEW in seen


def test_a_power_cut_while_a_secret_is_made_or_removed_leaves_all_of_it_or_nothing(
    directory: SecretDirectory,
) -> None:
    def make_and_remove() -> None:
        directory.remove(directory.create("flotta-ca", OLD))

    total = steps_of(make_and_remove)
    for allowed in range(total):
        with power_cut(allowed), pytest.raises(PowerCutError):
            make_and_remove()
        assert read(directory) in (None, OLD)
        make_and_remove()
        assert os.listdir(directory.path) == []


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda path: (path / "flotta-ca").chmod(0o750), "mode 750, .*: chmod 700 .*/flotta-ca"),
        (lambda path: path.chmod(0o777), "mode 777, .* Close it: chmod 711"),
        (lambda path: path.chmod(0o755), "mode 755, .* exchange or lock"),
        (lambda path: os.chown(path / "flotta-ca", NOBODY, NOBODY), "belongs to the user nobody"),
        (lambda path: (path / "flotta-ca/ca.key").chmod(0o640), "mode 640, .*: chmod 600 .*ca.key"),
        (lambda path: (path / "flotta-ca/ca.crt").chmod(0o664), "mode 664, .*: chmod 600 .*ca.crt"),
        (
            lambda path: os.chown(path / "flotta-ca/ca.key", NOBODY, -1),
            "ca.key belongs to the user",
        ),
        (
            lambda path: os.link(path / "flotta-ca/ca.key", path.parent / "link"),
            "hard link, and 1 more .* cp -p .*/ca.key .*",
        ),
        (lambda path: (path / "flotta-ca/old").mkdir(), "flotta-ca/old is not a regular file"),
        (lambda path: os.mkfifo(path / "flotta-ca/fifo"), "fifo is not a regular file"),
        (lambda path: (path / "flotta-ca/a").symlink_to("ca.crt"), "a is not a regular file"),
        (lambda path: os.truncate(path / "flotta-ca/ca.crt", 2**20 + 1), "larger than 1048576"),
        (
            lambda path: [(path / f"flotta-ca/{n}").touch() for n in range(99)],
            "holds more than 64 files",
        ),
    ],
)
def test_what_is_wrong_is_named_and_left_alone(
    directory: SecretDirectory, spoil: Callable[[Path], object], sentence: str
) -> None:
    secret = directory.create("flotta-ca", OLD)
    spoil(directory.path)
    before = sorted(directory.path.rglob("*"))

    for work in (lambda: directory.read("flotta-ca"), lambda: directory.replace(secret, NEW)):
        with pytest.raises(BackendError, match=sentence) as caught:
            work()
        assert (caught.value.refusal.status, caught.value.refusal.reason) == (
            503,
            "CertificatesUnusable",
        )
    assert sorted(directory.path.rglob("*")) == before


def test_what_an_editor_or_root_leaves_is_used(directory: SecretDirectory) -> None:
    directory.create("flotta-ca", OLD)
    (directory.path / "flotta-ca/ca.crt").chmod(0o644)
    if os.geteuid() == 0:
        os.chown(directory.path / "flotta-ca", NOBODY, NOBODY)
        os.chown(directory.path, NOBODY, NOBODY)

    assert read(directory) == OLD


def test_a_secret_that_cannot_be_used_hides_no_other(directory: SecretDirectory) -> None:
    directory.create("flotta-ca", OLD)
    directory.create("shops", {"batch": b"{}"})
    (directory.path / "flotta-ca").chmod(0o777)
    (directory.path / "Not A Name").mkdir()

    secrets, (problem,) = directory.read_all()

    assert [secret.name for secret in secrets] == ["shops"]
    assert "chmod 700" in problem


def test_a_foreign_file_is_no_part_of_a_secret_and_survives(directory: SecretDirectory) -> None:
    directory.create("flotta-ca", OLD)
    (directory.path / "flotta-ca/.ca.key.swp").write_bytes(b"typed")
    secret = directory.read("flotta-ca")

    assert secret
    assert secret.data == OLD
    for work in (lambda: directory.replace(secret, NEW), lambda: directory.remove(secret)):
        with pytest.raises(BackendError, match=r"holds \.ca\.key\.swp, .* move it elsewhere"):
            work()
    assert (directory.path / "flotta-ca/.ca.key.swp").read_bytes() == b"typed"
    assert read(directory) == OLD


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "", "A", "x" * 250])
def test_no_name_leaves_the_directory(directory: SecretDirectory, name: str) -> None:
    for work in (lambda: directory.read(name), lambda: directory.create(name, NEW)):
        directory.prepare()
        with pytest.raises(BackendError, match="cannot be the name of a Secret"):
            work()


@pytest.mark.parametrize("key", ["../x", ".registration2", "", "a/b", "a b"])
def test_no_key_leaves_its_secret(directory: SecretDirectory, key: str) -> None:
    with pytest.raises(BackendError, match="cannot be the name of a file"):
        directory.create("flotta-ca", {key: b""})
    assert os.listdir(directory.path) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_a_full_disk_leaves_what_there_is(directory: SecretDirectory) -> None:
    directory.prepare()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=711", "tmpfs", str(directory.path)]
    subprocess.run(mount, check=True)
    try:
        secret = directory.create("flotta-ca", OLD)
        sentence = "No space left on device. Nothing was changed; free space on"
        with pytest.raises(BackendError, match=sentence):
            directory.replace(secret, {"ca.crt": b"x" * 100_000})
        assert read(directory) == OLD
        assert os.listdir(directory.path) == ["flotta-ca"]
    finally:
        subprocess.run(["umount", str(directory.path)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_root_writes_for_the_user_whose_directory_it_is_and_others_are_refused(
    directory: SecretDirectory,
) -> None:
    directory.prepare()
    os.chown(directory.path, NOBODY, NOBODY)
    directory.create("flotta-ca", OLD)

    owners = {path.stat().st_uid for path in directory.path.rglob("*")}
    assert owners == {NOBODY}
    for path in (directory.path.parent, *directory.path.parent.parents):
        assert path.stat().st_mode & 0o001 or path.chmod(path.stat().st_mode | 0o001) is None
    assert as_user(NOBODY, directory) == "read"
    assert "run as that user, or as root" in as_user(1234, directory) or (
        "cannot be used by the user 1234: Permission denied" in as_user(1234, directory)
    )


def as_user(user: int, directory: SecretDirectory) -> str:
    program = (
        "import os, sys; from pathlib import Path\n"
        "from flotta.edge_api.backends.files.directory import SecretDirectory\n"
        f"os.setgid({user}); os.setuid({user})\n"
        "try: SecretDirectory(Path(sys.argv[1])).read('flotta-ca'); print('read')\n"
        "except Exception as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(directory.path)], capture_output=True, text=True
    )
    return done.stdout.strip() or done.stderr


def test_a_lock_that_stays_is_named(
    directory: SecretDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.create("flotta-ca", OLD)
    monkeypatch.setattr("flotta.edge_api.backends.files.directory.PATIENCE", 0.01)
    handle = os.open(directory.path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with pytest.raises(BackendError, match="Another program has locked"):
            directory.read("flotta-ca")
    finally:
        os.close(handle)


def test_several_processes_lose_no_write(directory: SecretDirectory) -> None:
    directory.create("counter", {"n": b"0"})
    program = (
        "import sys; from pathlib import Path\n"
        "from flotta.edge_api.backends.backend import SecretConflict\n"
        "from flotta.edge_api.backends.files.directory import SecretDirectory\n"
        "directory, done = SecretDirectory(Path(sys.argv[1])), 0\n"
        "while done < 20:\n"
        "    secret = directory.read('counter')\n"
        "    try: directory.replace(secret, {'n': str(int(secret.data['n']) + 1).encode()})\n"
        "    except SecretConflict: continue\n"
        "    done += 1\n"
    )
    command = [sys.executable, "-c", program, str(directory.path)]
    workers = [subprocess.Popen(command) for _ in range(3)]

    assert [worker.wait() for worker in workers] == [0, 0, 0]
    assert read(directory, "counter") == {"n": b"60"}


async def test_changes_are_told_of_secrets_that_were_written_or_edited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flotta.edge_api.backends.files.watch.INTERVAL", 0.2)
    files, changed = Files(tmp_path / "certificates"), list[str]()
    files.secrets.subscribe(changed.append)
    running = asyncio.create_task(files.run())
    try:
        await eventually(lambda: (tmp_path / "certificates").is_dir())
        await files.secrets.create("flotta-ca", OLD)
        await eventually(lambda: "flotta-ca" in changed)
        changed.clear()
        (tmp_path / "certificates/flotta-ca/ca.crt").write_bytes(b"edited")
        await eventually(lambda: changed == ["flotta-ca"])
        secret = await files.secrets.read("flotta-ca")
        assert secret
        await files.secrets.remove(secret)
        await eventually(lambda: changed == ["flotta-ca"] * 2)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_request_is_answered_once_and_finishing_says_that_nobody_counts(
    tmp_path: Path,
) -> None:
    authority = Files(tmp_path / "certificates").authority
    assert await authority.read_request() is None
    request = RolloverRequest("1", ROLL, by="root (flotta)")
    SecretDirectory(tmp_path / "certificates").create(
        "flotta-ca-rollover", {"phase": b"Roll\n", "id": b"1", "by": b"root (flotta)"}
    )

    assert await authority.read_request() == request
    await authority.answer(request, RolloverAnswer("no", FORMER_CA_IN_USE))
    assert await authority.read_request() is None
    answered = tmp_path / "certificates/flotta-ca-rollover/message"
    assert answered.read_text() == "no"
    assert not (await authority.find_left_behind("ab")).is_nobody


async def test_public_certificates_are_readable_by_everybody(tmp_path: Path) -> None:
    authority = Files(tmp_path / "certificates").authority
    await authority.read_request()
    await authority.publish({"ca.crt": "A", "former.crt": "B"})
    await authority.publish({"ca.crt": "C"})

    public = tmp_path / "certificates/flotta-certificates"
    assert {path.name: path.read_text() for path in public.iterdir()} == {"ca.crt": "C"}
    assert public.stat().st_mode & 0o777 == 0o755
    assert (public / "ca.crt").stat().st_mode & 0o777 == 0o644
