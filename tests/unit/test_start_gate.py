"""A directory in the place of a container's configuration, which keeps podman from starting it."""

from __future__ import annotations

from pathlib import Path

import pytest

from flotta.worker.start_gate import close_gate, open_gate


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def test_podman_can_neither_remove_nor_write_the_configuration_of_a_held_container(
    bundle: Path,
) -> None:
    assert close_gate(bundle)
    with pytest.raises(OSError, match=r"config\.json"):
        (bundle / "config.json").unlink()
    with pytest.raises(OSError, match=r"config\.json"):
        (bundle / "config.json").rmdir()
    with pytest.raises(IsADirectoryError):
        (bundle / "config.json").write_text("{}")


def test_the_configuration_is_back_when_the_container_may_start(bundle: Path) -> None:
    for _ in range(2):  # closing and opening again changes nothing
        assert close_gate(bundle)
        assert close_gate(bundle)
        open_gate(bundle)
        open_gate(bundle)
        assert [(path.name, path.read_text()) for path in bundle.iterdir()] == [
            ("config.json", "{}")
        ]


def test_a_container_that_is_about_to_be_configured_is_held_too(tmp_path: Path) -> None:
    assert close_gate(tmp_path)
    assert (tmp_path / "config.json/held").exists()
    open_gate(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_container_that_is_gone_cannot_be_held(tmp_path: Path) -> None:
    assert not close_gate(tmp_path / "gone")
