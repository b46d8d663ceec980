"""The settings of pip that scripts/sanity.sh hands to ansible-test."""

from __future__ import annotations

from pathlib import Path

import pytest
from pip_settings import settings

INDEX = "[global]\nindex-url = https://{0}.example/simple\n[install]\n{0} = yes\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in (".pip", ".config/pip", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def test_the_files_of_a_user_are_joined_and_the_last_wins(home: Path) -> None:
    assert {*settings({"HOME": str(home)})["global"]} == {"retries"}
    (home / ".pip/pip.conf").write_text(f"{INDEX.format('old')}timeout = 90\n")
    (home / ".config/pip/pip.conf").write_text("[global]\ncert = /ca.pem\n")
    named = {"HOME": str(home), "PIP_CONFIG_FILE": str(home / "elsewhere/named")}
    found = settings(named)
    assert found["global"]["index-url"] == "https://old.example/simple"
    assert found["global"]["cert"] == "/ca.pem"
    assert found["install"]["timeout"] == "90"
    (home / "elsewhere/named").write_text(INDEX.format("named"))
    found = settings(named)
    assert found["global"]["index-url"] == "https://named.example/simple"
    assert {*found["install"]} == {"old", "named", "timeout"}


def test_the_environment_wins_over_every_section(home: Path) -> None:
    (home / ".config/pip/pip.conf").write_text(f"{INDEX.format('file')}index-url = https://x\n")
    variables = {"PIP_INDEX_URL": "https://env.example/100%25", "PIP_CERT": "", "PIPX_HOME": "/"}
    found = settings({"HOME": str(home), "PIP_RETRIES": "0", **variables})
    for section in ("global", "install"):
        assert found[section]["index-url"] == "https://env.example/100%25"
    assert {*found["global"]} == {"index-url", "retries"}
    assert found["global"]["retries"] == "10"


def test_no_file_is_read_where_pip_would_read_none(home: Path) -> None:
    (home / ".config/pip/pip.conf").write_text(INDEX.format("file"))
    found = settings({"HOME": str(home), "PIP_CONFIG_FILE": "/dev/null"})
    assert {*found["global"]} == {"retries"}
