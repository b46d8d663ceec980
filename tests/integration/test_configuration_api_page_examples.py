"""The conversation with `curl` on the page of the Edge Configuration API, as printed there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from configuration_site import PROGRAM, configuration_api
from edge_site import SOURCE

PAGE = Path(__file__).parents[2] / "docs/reference/configuration-api.md"
# What differs from one run to the next: a uid, and the versions of the feed.
DIFFERENT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b\d{16}\b")


def conversation() -> list[tuple[str, str]]:
    """Return each command of the block with what it prints."""
    section = PAGE.read_text().split("### By hand\n")[1]
    block = re.search(r"```console\n(.*?)```", section, re.DOTALL)
    assert block
    parts = re.split(r"^\$ ", block[1], flags=re.MULTILINE)[1:]
    return [(command, printed) for command, _, printed in (part.partition("\n") for part in parts)]


def test_the_commands_print_what_the_page_says(tmp_path: Path) -> None:
    with configuration_api(tmp_path) as site:
        program = f"PYTHONPATH={SOURCE} {sys.executable} -m {PROGRAM}"
        setup = f'flotta-configuration-api() {{ {program} "$@" --database {site.database}; }}\n'
        version = ""
        commands = conversation()
        assert len(commands) > 10
        for command, printed in commands:
            text = command.replace("127.0.0.1:8053", f"127.0.0.1:{site.port}")
            text = re.sub(r"\b\d{16}\b", version, text)
            if "=" in text.split()[0]:  # a variable for what follows
                setup += f"{text}\n"
                continue
            done = subprocess.run(
                ["bash", "-c", setup + text], capture_output=True, text=True, check=False
            )
            assert done.stderr == "", command
            assert masked(done.stdout) == masked(printed), command
            if found := re.search(r'"version":(\d{16})', done.stdout):
                version = found[1]


def masked(text: str) -> str:
    return DIFFERENT.sub("…", text).strip()
