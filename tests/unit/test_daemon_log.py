from __future__ import annotations

import logging
import subprocess
import sys

from flotta.daemon import LineFormatter

FORMATTER = LineFormatter("%(levelname)s %(name)s: %(message)s")


def formatted(message: str, *arguments: object, failure: Exception | None = None) -> str:
    trouble = (type(failure), failure, None) if failure else None
    return FORMATTER.format(
        logging.LogRecord("flotta", logging.WARNING, "f", 1, message, arguments, trouble)
    )


def test_a_record_is_one_printable_line() -> None:
    line = formatted("Pod %s failed", "web\nERROR flotta: forged\x1b[2J\u202e")
    assert line == "WARNING flotta: Pod web␊ERROR flotta: forged␛[2J� failed"


def test_no_line_of_a_traceback_begins_like_a_record() -> None:
    lines = formatted("Failed", failure=ValueError("web\nERROR flotta: forged\x1b")).split("\n")
    assert lines == ["WARNING flotta: Failed", "    ValueError: web", "    ERROR flotta: forged␛"]


def test_every_daemon_logs_so() -> None:
    program = (
        "import logging; from flotta.daemon import configure_logging; configure_logging();"
        "logging.getLogger('aiohttp').warning('a\\nERROR b\\x1b')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stderr.endswith(" WARNING aiohttp: a␊ERROR b␛\n")
    assert done.stderr.count("\n") == 1
