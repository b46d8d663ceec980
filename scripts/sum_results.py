"""Print the time of each part, then the sum `N passed, N failed, N skipped`; exit 1 on a failure.

Usage: sum_results.py FOLDER. The folder has what scripts/parts.sh and pytest wrote: JUnit files,
whose tests count; the file `parts` with a line `passed`, `skipped` or `FAILED`, tab, name for each
part that is not a set of tests; and the file `times` with start, duration, CPU time
(seconds), verdict and name of every part.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

WORSE_THAN_PASSED = {"failure": "failed", "error": "failed", "skipped": "skipped"}


class Result(NamedTuple):
    """The outcome of a test or a part: passed, failed or skipped."""

    verdict: str
    name: str


def of_tests(file: Path) -> list[Result]:
    """Return the result of each test of a JUnit file; an unreadable file counts as a failure."""
    try:
        cases = ET.parse(file).getroot().iter("testcase")  # noqa: S314 - pytest wrote it just now
    except ET.ParseError:
        return [Result("failed", f"{file.stem}, which was aborted")]
    return [Result(verdict(case), f"{case.get('classname')}::{case.get('name')}") for case in cases]


def verdict(case: ET.Element) -> str:
    """Return the outcome of one test."""
    return next((WORSE_THAN_PASSED[e.tag] for e in case if e.tag in WORSE_THAN_PASSED), "passed")


def fields(file: Path) -> list[list[str]]:
    """Return the lines of a file of tab-separated fields, none if it does not exist."""
    lines = file.read_text().splitlines() if file.exists() else []
    return [line.split("\t") for line in lines]


def clock(seconds: int) -> str:
    """Return minutes and seconds."""
    return f"{seconds // 60}:{seconds % 60:02}"


def table(times: list[list[str]]) -> Iterator[str]:
    """Return a line for each part, in the order in which they started."""
    rows = sorted((int(began), int(took), int(used), name) for began, took, used, _, name in times)
    yield f"{'Began':>6}{'Took':>8}{'Processors':>12}  Part"
    for began, took, used, name in rows:
        yield f"{clock(began - rows[0][0]):>6}{clock(took):>8}{clock(used):>12}  {name}"


def main() -> int:
    """Print the table and the sum."""
    folder = Path(sys.argv[1])
    results = [Result(outcome.lower(), name) for outcome, name in fields(folder / "parts")]
    for file in sorted(folder.glob("*.xml")):
        results += of_tests(file)
    print("\n".join(table(fields(folder / "times"))))
    for outcome, name in results:
        if outcome != "passed":
            print(f"{outcome.capitalize()}: {name}")
    total = Counter(outcome for outcome, _ in results)
    print(", ".join(f"{total[kind]} {kind}" for kind in ("passed", "failed", "skipped")))
    return total["failed"] > 0


if __name__ == "__main__":
    sys.exit(main())
