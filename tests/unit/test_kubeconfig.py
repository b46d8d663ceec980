"""What people read when the kubeconfig is not the one that they meant."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from flotta.cli.flotta import main


def said(path: Path, *options: str) -> str:
    """Return the sentence with which `flotta status` ends."""
    with pytest.raises(SystemExit) as ended:
        main(["--kubeconfig", str(path), *options, "status"])
    return str(ended.value.code)


def kubeconfig(folder: Path, current: str) -> Path:
    path = folder / "kubeconfig"
    contexts = [
        {"name": name, "context": {"cluster": "c", "user": "u"}} for name in ("shop", "lab")
    ]
    config = {
        "current-context": current,
        "contexts": contexts,
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {}}],
    }
    path.write_text(yaml.safe_dump(config))
    return path


def test_a_context_that_is_not_there_is_named_beside_those_that_are(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, "shop")
    sentence = f"flotta: {path} has no context nope; use one of: shop, lab"
    assert said(path, "--context", "nope") == sentence
    assert "does not answer" in said(path, "--context", "lab")


def test_a_refused_connection_names_the_input_for_other_addresses(tmp_path: Path) -> None:
    assert "operator_resource_api_listen" in said(kubeconfig(tmp_path, "lab"))


def test_a_current_context_that_is_not_there_is_named_too(tmp_path: Path) -> None:
    assert "has no context gone; use one of" in said(kubeconfig(tmp_path, "gone"))


@pytest.mark.parametrize("content", ["", "just text", "contexts: 5", "{", "contexts: [{}]"])
def test_a_file_that_is_no_kubeconfig_is_no_traceback(tmp_path: Path, content: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(content)
    assert "no usable kubeconfig" in said(path)
