"""The pages that users read, their headings and their code."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[3]
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.*?) *#*$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block of code: the word behind its fence, and its text."""

    language: str
    text: str


@cache
def tracked_files() -> tuple[Path, ...]:
    """Return every file that is under version control."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return tuple(path for line in listed.splitlines() if (path := ROOT / line).is_file())


@cache
def pages() -> list[Path]:
    """Return the Markdown pages of the repository.

    The changelog is about other times, and what is below scripts/ is a part of some page.
    """
    found = [path for path in tracked_files() if path.suffix == ".md"]
    assert len(found) > 20
    return [
        path
        for path in found
        if path.name != "CHANGELOG.md" and path.relative_to(ROOT).parts[0] != "scripts"
    ]


def name_of(page: Path) -> str:
    """Return the path of a page in the repository."""
    return str(page.relative_to(ROOT))


@cache
def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, without their indentation."""
    matches = FENCE.finditer(page.read_text())
    return [Block(match[2], _dedent(match[3], match[1])) for match in matches]


@cache
def inline_code(page: Path) -> list[str]:
    """Return what stands in backticks outside fenced blocks."""
    return INLINE.findall(prose(page))


@cache
def links(page: Path) -> list[str]:
    """Return the targets of the links of a page."""
    return LINK.findall(INLINE.sub("", prose(page)))


@cache
def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return FENCE.sub("", page.read_text())


@cache
def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings, as mkdocs and GitHub make them."""
    return set(_slugs(HEADING.findall(prose(page))))


def _slugs(headings: list[str]) -> Iterator[str]:
    seen: dict[str, int] = {}
    for heading in headings:
        text = LINK.sub(lambda match: match[0].split("]")[0][1:], heading)
        slug = re.sub(r"[^\w\s-]", "", text.replace("`", "")).strip().lower()
        slug = re.sub(r"[-\s]+", "-", slug)
        count = seen.get(slug, 0)
        seen[slug] = count + 1
        yield f"{slug}_{count}" if count else slug


def _dedent(text: str, indent: str) -> str:
    return "".join(line.removeprefix(indent) for line in text.splitlines(keepends=True))
