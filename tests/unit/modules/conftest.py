"""What tests of several modules take."""

from __future__ import annotations

from pathlib import Path

import pytest
from memory_client import MemoryClient
from module_run import loaded


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MemoryClient:
    """Return the client that modules get which connect by this user's kubeconfig."""
    api = loaded("edge_device").api
    client = MemoryClient()
    monkeypatch.setattr(api, "Client", client)
    path = tmp_path / "kubeconfig"
    path.touch()
    monkeypatch.setenv("KUBECONFIG", str(path))
    return client
