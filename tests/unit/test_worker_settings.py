"""What the worker reads from its environment and the files beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from flotta.worker.settings import Settings, socket_path


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("unix:/run/x.sock", "/run/x.sock"),
        ("/run/x.sock", "/run/x.sock"),
        ("unix:@name", "\0name"),
        ("@name", "\0name"),
    ],
)
def test_socket_addresses_of_every_gateway_are_understood(address: str, path: str) -> None:
    assert socket_path(address) == path


def test_the_namespace_comes_from_the_tags(tmp_path: Path) -> None:
    settings = Settings.from_environment({"YGG_CONFIG_DIR": str(tmp_path)})
    assert settings.target_namespace() == "default"
    (tmp_path / "tags.toml").write_text('namespace = "plant-7"\n')
    assert settings.target_namespace() == "plant-7"
    (tmp_path / "tags.toml").write_text("broken")
    assert settings.target_namespace() == "default"
