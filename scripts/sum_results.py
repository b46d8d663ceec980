"""Print the sum of the test results in a folder of JUnit files: N passed, N failed, N skipped."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET  # the files are our own
from pathlib import Path


def count(folder: Path) -> tuple[int, int, int]:
    """Return how many tests passed, failed (errors included) and were skipped."""
    total = failed = skipped = 0
    for file in sorted(folder.glob("*.xml")):
        for suite in ET.parse(file).getroot().iter("testsuite"):  # noqa: S314 - our own files
            total += int(suite.get("tests", 0))
            failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped += int(suite.get("skipped", 0))
    return total - failed - skipped, failed, skipped


if __name__ == "__main__":
    passed, failed, skipped = count(Path(sys.argv[1]))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
