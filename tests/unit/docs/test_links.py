"""Links, citations and paths lead somewhere."""

from __future__ import annotations

import glob
import re
from pathlib import Path

import pytest
from pages import ROOT, anchors, inline_code, links, name_of, pages, tracked_files

CITATION = re.compile(r"\bdocs/[\w./-]+?\.(?:md|svg)(?:#[\w-]+)?")
# Folders of the repository; `docs/reference/` would also be a path of some other project.
PLACES = (
    *("src", "collections", "scripts", "tests", "playbooks", "inventories", "examples", "bench"),
    *("containers", "requirements", "docs"),
)
PATH = re.compile(rf"^(?:{'|'.join(PLACES)})/[\w./*{{}},-]*$")


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_links_of_a_page_resolve(page: Path) -> None:
    for link in links(page):
        if "://" in link or link.startswith("mailto:"):
            assert link.startswith("https://"), link
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_paths_on_a_page_exist(page: Path) -> None:
    for code in inline_code(page):
        if PATH.match(code):
            assert expand(code), code


def expand(pattern: str) -> bool:
    """Tell whether each of `a/{b,c}.py` exists, with `*` for anything."""
    if match := re.search(r"\{([^{}]*)\}", pattern):
        head, tail = pattern[: match.start()], pattern[match.end() :]
        return all(expand(f"{head}{part}{tail}") for part in match[1].split(","))
    return bool(glob.glob(pattern.rstrip("/"), root_dir=ROOT))


def test_pages_that_code_cites_have_that_heading() -> None:
    cited = 0
    for path in tracked_files():
        if path.suffix not in (".py", ".yaml", ".yml", ".sh", ".toml", ".j2"):
            continue
        for citation in CITATION.findall(path.read_text()):
            file, _, anchor = citation.partition("#")
            assert (ROOT / file).is_file(), f"{name_of(path)}: {citation}"
            assert not anchor or anchor in anchors(ROOT / file), f"{name_of(path)}: {citation}"
            cited += 1
    assert cited > 30


def test_the_start_page_lists_every_page_of_the_site() -> None:
    docs = ROOT / "docs"
    listed = {(docs / link.partition("#")[0]).resolve() for link in links(docs / "index.md")}
    assert {page for page in pages() if page.is_relative_to(docs)} - listed == {docs / "index.md"}
