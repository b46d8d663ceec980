"""What the worker makes of a child that was taken over: any program that has its descriptors."""

from __future__ import annotations

import pytest

from flotta.sync import transfer
from flotta.sync.job import AbortTask, RunAborted, TaskOutcome
from flotta.sync.model import S3Storage, SyncError
from flotta.sync.transfer import Transfer

STORAGE = S3Storage("https://s3.example.com", "region", "bucket", "access", "secret")
TASK = AbortTask(0, "shop", "stats/a", "statistics/a", "id")


@pytest.fixture
def taken_over(monkeypatch, tmp_path):
    """Return a function that runs a job with a child of this program; returns its messages."""

    async def run(program):
        monkeypatch.setattr(transfer, "CHILD", ("-c", f"import os, socket, sys, time\n{program}"))
        running = Transfer(tmp_path / "volumes", tmp_path / "spool").run(STORAGE, [TASK])
        return [message async for batch in running for message in batch]

    return run


async def test_a_child_that_asks_for_a_file_outside_its_job_is_ended(taken_over, caplog):
    program = (
        "files = socket.socket(fileno=int(sys.argv[1]))\n"
        """files.send(b'{"number": 1, "action": "open-source"}')\n"""
        "time.sleep(86400)"
    )
    (aborted,) = await taken_over(program)
    assert isinstance(aborted, RunAborted)
    assert "ended early" in aborted.message
    assert "FileRequestRefused" in caplog.text


async def test_a_child_that_never_ends_a_line_is_ended(taken_over):
    with pytest.raises(SyncError, match="too long"):
        await taken_over("while True: os.write(1, b'x' * 65536)")


async def test_a_child_cannot_fill_the_journal(taken_over, caplog):
    await taken_over("os.write(2, b'x\\n' * 10000)")
    assert len(caplog.records) < 100


async def test_what_a_child_quotes_is_cut_and_printable(taken_over, caplog):
    line = '{"type": "outcome", "number": 0, "result": "failed", "message": "%s"}\\n'
    text = "\\\\u001b[2J" + "x" * 100_000
    (outcome,) = await taken_over(f"""os.write(1, b'{line % text}'); os.write(2, b"\\x1b[2J")""")
    assert isinstance(outcome, TaskOutcome)
    assert outcome.message is not None
    assert outcome.message.startswith("␛[2J")
    assert len(outcome.message) == transfer.TEXT_LIMIT
    assert "␛[2J" in caplog.text


async def test_where_no_file_can_be_made_a_child_runs_all_the_same(taken_over, tmp_path):
    (tmp_path / "spool").write_bytes(b"a file where a folder should be")
    line = '{"type": "outcome", "number": 0, "result": "done"}\\n'
    assert await taken_over(f"os.write(1, b'{line}')") == [TaskOutcome(0, "done")]
