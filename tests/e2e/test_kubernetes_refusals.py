"""What is in the way is said in one sentence with the remedy, before the cluster is touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from e2e.control_plane import Cluster
from e2e.site import Site


def install(site: Site, **inputs: str) -> str:
    """Run the control plane's playbook with other inputs; return what it says.

    It has to fail and touch nothing.
    """
    before = versions(site)
    words = [word for name, value in inputs.items() for word in ("-e", f"{name}={value}")]
    result = site.playbook("control_plane", *words)
    assert result.returncode != 0, result.stdout[-2000:]
    assert versions(site) == before
    return " ".join((result.stdout + result.stderr).split())


def versions(site: Site) -> str:
    """Return what an installation would change: versions of definitions and of the Deployments."""
    where = ("-n", "flotta", "-o", "jsonpath={.items[*].metadata.generation}")
    return site.kubectl("get", "crd,deployment,service,configmap", *where)


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ({"operator_image": ""}, "operator_image is not set; set it to the name by which"),
        ({"operator_address": "localhost"}, "set it to a name or an address of the cluster"),
        (
            {"operator_kubernetes_kubeconfig": "/nowhere"},
            "There is no kubeconfig /nowhere on cluster; set operator_kubernetes_kubeconfig",
        ),
        ({"operator_kubernetes_context": "other"}, "other"),
    ],
)
def test_a_missing_input_is_named_with_the_remedy(
    site: Site, inputs: dict[str, str], sentence: str
) -> None:
    assert sentence in install(site, **inputs)


def other_kubeconfig(site: Site, path: Path, server: str = "", token: str = "") -> Path:
    """Write the site's kubeconfig with another server, or with a token in place of its identity."""
    content = yaml.safe_load((site.folder / "kubeconfig").read_text())
    if server:
        content["clusters"][0]["cluster"]["server"] = server
    if token:
        content["users"][0]["user"] = {"token": token}
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as stream:
        yaml.safe_dump(content, stream)
    return path


def test_an_unreachable_server_is_named(site: Site, tmp_path: Path) -> None:
    path = other_kubeconfig(site, tmp_path / "kubeconfig", server="https://127.0.0.1:1")
    said = install(site, operator_kubernetes_kubeconfig=str(path))
    assert "does not respond" in said
    assert "127.0.0.1:1" in said
    assert "kubeconfig" in said


def test_a_missing_permission_is_named_and_nothing_changes(
    site: Site, cluster: Cluster, tmp_path: Path
) -> None:
    site.kubectl("create", "serviceaccount", "e2e-nobody")
    try:
        token = site.kubectl("create", "token", "e2e-nobody").strip()
        path = other_kubeconfig(site, tmp_path / "kubeconfig", token=token)
        said = install(site, operator_kubernetes_kubeconfig=str(path))
        assert "system:serviceaccount:default:e2e-nobody may not" in said
        assert "ClusterRole flotta-installer" in said
        assert token not in said
    finally:
        site.kubectl("delete", "serviceaccount", "e2e-nobody")


def test_check_mode_says_what_would_change_and_changes_nothing(site: Site) -> None:
    before = versions(site)
    result = site.playbook(
        "control_plane", "--check", "--diff", "-e", "operator_device_certificate_days=7"
    )
    assert result.returncode == 0, result.stdout[-2000:]
    assert '"CLIENT_CERT_EXPIRATION_DAYS": "7"' in result.stdout
    assert "changed=1" in result.stdout.split("PLAY RECAP")[1]
    assert versions(site) == before
