"""The programs that the worker runs."""

from __future__ import annotations

import pytest

from flotta.worker import processes
from flotta.worker.processes import run


async def test_output_is_read_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "MAX_OUTPUT", 1000)
    script = "yes | head -c 300000; yes error | head -c 300000 >&2; exit 3"
    done = await run("sh", "-c", script, timeout=60)
    assert (done.status, len(done.out), len(done.err)) == (3, 1000, 1000)


async def test_a_program_that_is_missing_or_takes_too_long_has_a_status() -> None:
    assert (await run("no-such-program", timeout=60)).status == processes.NOT_FOUND
    assert (await run("sleep", "1000", timeout=0.1)).status == processes.TIMED_OUT


async def test_what_is_added_to_the_environment_reaches_the_program() -> None:
    done = await run("sh", "-c", "echo $EXTRA", timeout=60, environment={"EXTRA": "here"})
    assert done.out == b"here\n"
