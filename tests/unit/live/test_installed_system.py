"""The id of a device whose system an installer has put on its disk."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from flotta.live.installed_system import name_device
from flotta.payload.manifest import Manifest, dump_manifest


@pytest.mark.parametrize("given", ["till-1", ""])
def test_the_id_is_written_once_before_the_other_keys(given: str, tmp_path: Path) -> None:
    config = tmp_path / "etc/yggdrasil/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('"server" = "edge.example:8043"\n')
    manifest = Manifest(
        format=1,
        content_id=sha256(b"").hexdigest(),
        serial_number="1",
        not_before="2026-01-01T00:00:00Z",
        not_after="2027-01-01T00:00:00Z",
        server="edge.example:8043",
        ca_fingerprint=sha256(b"").hexdigest(),
        namespace="default",
        release="0.2.0",
        device_id=given,
    )
    (tmp_path / "manifest.json").write_bytes(dump_manifest(manifest))

    chosen = name_device(tmp_path / "manifest.json", tmp_path)
    name_device(tmp_path / "manifest.json", tmp_path)

    assert chosen == (given or chosen)
    assert config.read_text() == (f'client-id = "{chosen}"\n"server" = "edge.example:8043"\n')
