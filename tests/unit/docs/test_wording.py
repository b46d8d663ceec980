"""Everything that people read is in the words that they search for."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest
from pages import ROOT, tracked_files

# What is not English, or not the field's word, with what to write instead.
WORDINGS = {
    r"(?<!there )(?<!which )\bis no (?!longer\b|more than\b|need\b)[a-z]": "is not a …",
    r"\b(?:what|that|all) lacks\b|\blacks(?=[.,;:)])": "… is missing",
    r"\b(?:anew|afresh)\b": "again",
    r"\bheard of\b": "heard from",
    r"\bfor ever\b": "forever",
    r"\badministrator's pair\b|\bkey pairs?\b(?! of (?:a|the) CA)": "access key (S3), private key",
    r"\bway back\b": "uninstall",
    r"\bkinds of (?:a|the) fleet\b": "CRDs",
    r"\bnobody's (?:fault|way)\b": "say what it is",
    r"\bshall\b": "must, should",
    r"\bentrances?\b": "Ingress, endpoint",
    r"\bgoes on with\b.*\bas it was\b": "continues with",
    r"\bstands in nobody\b": "does no harm",
    r"\bgo(?:es|ing)? on(?= (?:with|serving|working|running)\b|[.,;:)]|$)": "continue, keep …",
    r"\b(?:are|is|stays?|settings) in force\b": "in effect",
    r"\bprocessor time\b": "CPU time",
    r"\bthe present ones?\b": "the current one",
    r"\btried on\b": "tested on",
    r"\bwished\b": "requested",
    r"\bcome(?:s)? to (?:its|their) end\b|\bcame to (?:its|their) end\b": "exit, finish",
    r"\b(?:work|works|run|runs) on (?:from|when|without|in peace)\b": "keep working, keep running",
}
SUFFIXES = {".py", ".md", ".yml", ".yaml", ".sh", ".j2", ".toml", ".txt", ""}
EXEMPT = ("LICENSE", "tests/", "requirements/", "src/flotta/apiserver/schema/kubernetes.yaml")
# Names that cannot change.
NAMES = re.compile(r"__\w+|`[^`\n]*`|\{\{.*?\}\}")


def texts() -> list[Path]:
    return [
        path
        for path in tracked_files()
        if path.suffix in SUFFIXES
        and not str(path.relative_to(ROOT)).startswith(EXEMPT)
        and "LICENSES" not in path.parts
        and path.stat().st_size < 300_000
    ]


@functools.cache
def lines() -> list[tuple[str, str]]:
    """Return every line with its place, without the names in it."""
    return [
        (f"{path.relative_to(ROOT)}:{number}", NAMES.sub("", line).strip())
        for path in texts()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
    ]


@pytest.mark.parametrize("wording", WORDINGS)
def test_wording(wording: str) -> None:
    pattern = re.compile(wording, re.IGNORECASE)
    found = [f"{place}: {line}" for place, line in lines() if pattern.search(line)]
    assert found == [], f"write: {WORDINGS[wording]}"
