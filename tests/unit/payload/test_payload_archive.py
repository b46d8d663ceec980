"""Archives: what the kernel's tools read, and what is refused."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from flotta.payload.cpio import ArchiveError, Entry, directory, read_archive, write_archive

EPOCH = 1_700_000_000
FILE = Entry("flotta/a", stat.S_IFREG | 0o640, EPOCH, b"content")
LINK = Entry("flotta/a", stat.S_IFLNK | 0o777, EPOCH, b"/etc/passwd")


def test_other_programs_unpack_what_is_written(tmp_path: Path) -> None:
    archive = write_archive([directory("flotta", EPOCH), FILE])

    command = ["busybox", "cpio", "-idm"]
    subprocess.run(command, input=archive, cwd=tmp_path, check=True, capture_output=True)

    found = tmp_path / FILE.name
    assert found.read_bytes() == FILE.content
    assert (stat.S_IMODE(found.stat().st_mode), found.stat().st_mtime) == (0o640, EPOCH)


def test_what_is_written_is_read_again_with_zeros_after_it_and_nothing_else() -> None:
    entries = [directory("flotta", EPOCH), FILE]
    archive = write_archive(entries)

    assert list(read_archive(archive + bytes(4096))) == entries
    for more in (b"after", archive):
        with pytest.raises(ArchiveError, match="after the end"):
            list(read_archive(archive + bytes(4096) + more))
    assert write_archive(entries) == archive


@pytest.mark.parametrize(
    ("archive", "problem"),
    [
        (b"", "no entry"),
        (b"garbage" * 40, "no entry"),
        (write_archive([FILE])[:-130], "beyond the end|no entry"),
        (write_archive([FILE]).replace(b"070701", b"07070G", 1), "no entry"),
        (write_archive([FILE]).replace(b"00000001", b"0000000x", 1), "not hexadecimal"),
        (write_archive([FILE]).replace(b"00000001", b"-0000001", 1), "not hexadecimal"),
        (write_archive([LINK]), "neither a file nor a directory"),
        (write_archive([Entry("../a", stat.S_IFREG, 0)]), "leads out"),
        (write_archive([Entry("/etc/a", stat.S_IFREG, 0)]), "leads out"),
        (write_archive([Entry("a" * 2000, stat.S_IFREG, 0)]), "beyond the end"),
        (write_archive([FILE] * 5000), "more than"),
    ],
)
def test_anything_else_is_refused(archive: bytes, problem: str) -> None:
    with pytest.raises(ArchiveError, match=problem):
        list(read_archive(archive))
