"""What people read when the kubeconfig is not the one that they meant."""

from __future__ import annotations

import subprocess
import sys
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


def test_a_machine_with_a_data_store_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setattr("flotta.cli.connection.LOCAL_CERTIFICATES", tmp_path)
    monkeypatch.setattr("flotta.cli.kubeconfig.LOCAL_KUBECONFIG", tmp_path / "none")
    with pytest.raises(SystemExit) as ended:
        main(["status"])
    assert "flotta-configuration-api list" in str(ended.value.code)


def test_a_reader_that_stops_early_is_no_error() -> None:
    text = "from flotta.cli.configuration_api import _print; _print('x' * 10 ** 6)"
    command = f'"{sys.executable}" -c "{text}" | head -c 1'
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "x", "")
