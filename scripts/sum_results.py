"""Print the sum of the results in a folder, `N passed, N failed, N skipped`; exit 1 on a failure.

Usage: sum_results.py FOLDER. It holds JUnit files, whose tests count, and the file `parts` with a
line `passed` or `FAILED`, tab, name for each part that is no set of tests.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

WORSE_THAN_PASSED = {"failure": "failed", "error": "failed", "skipped": "skipped"}


def of_tests(file: Path) -> Counter[str]:
    """Count the tests of one JUnit file; a file that broke off counts as a failure."""
    try:
        cases = ET.parse(file).getroot().iter("testcase")  # noqa: S314 - pytest wrote it just now
    except ET.ParseError:
        return Counter(failed=1)
    return Counter(
        next((WORSE_THAN_PASSED[e.tag] for e in case if e.tag in WORSE_THAN_PASSED), "passed")
        for case in cases
    )


def of_parts(file: Path) -> Counter[str]:
    """Count the lines of the file `parts`."""
    lines = file.read_text().splitlines() if file.exists() else []
    return Counter(line.split("\t")[0].lower() for line in lines)


def main() -> int:
    """Print the sum."""
    folder = Path(sys.argv[1])
    total = of_parts(folder / "parts")
    for file in folder.glob("*.xml"):
        total += of_tests(file)
    print(", ".join(f"{total[kind]} {kind}" for kind in ("passed", "failed", "skipped")))
    return total["failed"] > 0


if __name__ == "__main__":
    sys.exit(main())
