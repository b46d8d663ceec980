"""`flotta manifests`: where settings come from, and what it says of them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import yaml

from flotta.cli.flotta import main


def test_settings_come_from_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = "{namespace: edge, image: registry.example.com/flotta:1}"
    monkeypatch.setattr("sys.stdin", io.StringIO(settings))
    main(["manifests", "--settings", "-"])
    printed, said = capsys.readouterr()
    images = {
        container["image"]
        for item in yaml.safe_load_all(printed)
        if item["kind"] == "Deployment" and item["metadata"]["namespace"] == "edge"
        for container in item["spec"]["template"]["spec"]["containers"]
    }
    assert images == {"registry.example.com/flotta:1"}
    assert said == ""


def test_an_image_that_only_this_machine_has_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    main(["manifests"])
    assert "no image is set, so the pods use localhost/" in capsys.readouterr().err
    main(["manifests", "--installer"])
    assert capsys.readouterr().err == ""


def test_a_setting_of_another_type_is_one_sentence(tmp_path: Path) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text("image: 5")
    with pytest.raises(SystemExit, match=r"^flotta: image is 5; use text"):
        main(["manifests", "--settings", str(settings)])


def test_an_edge_api_with_a_data_store_needs_no_crds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tmp_path / "settings.yaml"
    store = "backend: remote, remote_backend_url: 'https://store.example:8443'"
    settings.write_text(f"{{components: [edge_api], {store}}}")
    main(["manifests", "--settings", str(settings)])
    kinds = {item["kind"] for item in yaml.safe_load_all(capsys.readouterr().out)}
    assert "Deployment" in kinds
    assert not [kind for kind in kinds if kind.startswith(("CustomResource", "Cluster"))]
