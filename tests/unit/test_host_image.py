"""The tests of pods find the image that the role `local_hosts` has built, and the other way."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

ROOT = Path(__file__).parents[2]
ROLE = ROOT / "collections/ansible_collections/flotta/edge/roles/local_hosts"


VARIABLES = yaml.safe_load((ROLE / "vars/main.yml").read_text())


def render(name: str, **variables: Any) -> str:
    """Return a variable of the role, as Ansible computes it."""
    environment = jinja2.Environment(autoescape=False)  # noqa: S701 (no HTML)
    environment.filters["ansible.builtin.hash"] = lambda text, kind: hashlib.new(
        kind, text.encode()
    ).hexdigest()
    return environment.from_string(VARIABLES[name]).render(
        lookup=lambda _plugin, path: Path(path).read_text().rstrip(),
        role_path=str(ROLE),
        **variables,
    )


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_the_script_names_the_image_as_the_role_does(tmp_path: Path, suite: str) -> None:
    (tmp_path / "podman").write_text("#!/bin/sh\nexit 0\n")  # the image exists
    (tmp_path / "podman").chmod(0o755)
    printed = subprocess.run(
        [str(ROOT / "scripts/host_image.sh"), suite],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    recipe = render("__local_hosts_recipe", local_hosts_suite=suite, local_hosts_mirror="")
    image = render("__local_hosts_image", local_hosts_image="", __local_hosts_recipe=recipe)
    packages = VARIABLES["__local_hosts_suites"][suite]["packages"]
    assert printed == render(
        "__local_hosts_own_image",
        __local_hosts_image=image,
        __local_hosts_own_packages=packages,
    )
