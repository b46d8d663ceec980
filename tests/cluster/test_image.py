"""The container image of the control plane, as scripts/image.sh builds it."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from flotta import __version__ as version

ROOT = Path(__file__).resolve().parents[2]
LARGEST = 200 * 10**6  # bytes, unpacked
LIMITS = """[containers]
default_ulimits = ["nofile=20000:20000", "nproc=20000:20000"]
[engine]
runtime = "{runtime}"
cgroup_manager = "{manager}"
"""


@pytest.fixture(scope="module")
def image() -> str:
    """Name of the image; it is built unless it is there."""
    return build()


@pytest.fixture(scope="module", autouse=True)
def settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Podman's settings for a machine that may not raise limits."""
    second = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    file = tmp_path_factory.mktemp("podman") / "containers.conf"
    runtime, manager = ("crun", "systemd") if second else ("runc", "cgroupfs")
    file.write_text(LIMITS.format(runtime=runtime, manager=manager))
    os.environ["CONTAINERS_CONF"] = str(file)


def build() -> str:
    output = subprocess.run([ROOT / "scripts/image.sh"], check=True, capture_output=True, text=True)
    return output.stdout.strip()


def podman(*arguments: str) -> str:
    result = subprocess.run(["podman", *arguments], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    return result.stdout


def ended(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a container to its end.

    It does not remove itself (--rm): then podman loses the outcome when it looks too late.
    """
    name = f"flotta-test-{uuid.uuid4().hex[:12]}"
    command = ["podman", "run", "--name", name, "--network=none", *words]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=300)
    finally:
        podman("rm", "--force", "--ignore", name)


def run(image: str, *command: str) -> str:
    """Run a command as a pod with a read-only root would: /tmp is all that can be written."""
    options = ["--read-only", "--tmpfs=/tmp", "--cap-drop=all", "--security-opt=no-new-privileges"]
    result = ended(*options, image, *command)
    assert result.returncode == 0, result.stderr
    return result.stdout


def inspect(image: str, template: str) -> str:
    return podman("image", "inspect", "--format", template, image).strip()


def test_image_is_named_and_labelled_with_the_version(image: str) -> None:
    assert image == f"localhost/flotta-edge-control-plane:{version}"
    assert inspect(image, '{{index .Labels "org.opencontainers.image.version"}}') == version


def test_image_is_small(image: str) -> None:
    assert int(inspect(image, "{{.Size}}")) < LARGEST


@pytest.mark.parametrize("program", ["flotta", "flotta-edge-api", "flotta-operator"])
def test_programs_start_without_root_on_a_read_only_file_system(image: str, program: str) -> None:
    assert f"usage: {program}" in run(image, program, "--help")


def test_user_is_nobody_in_particular(image: str) -> None:
    assert run(image, "id", "--user").strip() == "65532"


def test_every_module_that_the_programs_load_has_byte_code(image: str) -> None:
    question = (
        "import flotta.cli.operator, flotta.cli.edge_api, sys, os\n"
        "modules = list(sys.modules.values())\n"
        "files = [m.__cached__ for m in modules if getattr(m, '__cached__', None)]\n"
        "print(*[file for file in files if not os.path.exists(file)])"
    )
    assert run(image, "/opt/flotta/bin/python", "-c", question).split() == []


def test_nothing_gives_other_rights_to_who_starts_it(image: str) -> None:
    search = (
        "import os, stat\n"
        "for folder, _, files in os.walk('/usr'):\n"
        "    for path in (os.path.join(folder, name) for name in files):\n"
        "        mode = os.lstat(path).st_mode\n"
        "        if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID): print(path)"
    )
    assert run(image, "python3", "-c", search).split() == []


def test_operator_outside_a_cluster_says_what_it_needs(image: str) -> None:
    result = ended(image, "flotta-operator")
    assert result.returncode != 0
    assert "set KUBECONFIG" in result.stderr
    assert "Traceback" not in result.stderr


def test_second_build_of_the_same_sources_makes_nothing_new(image: str) -> None:
    build()
    before = inspect(image, "{{.Id}}")
    assert build() == image
    assert inspect(image, "{{.Id}}") == before


@pytest.fixture
def broken_base(tmp_path: Path) -> Iterator[str]:
    """Name of an image in which no program can be started."""
    (tmp_path / "empty.tar").write_bytes(bytes(10240))
    podman("import", "--quiet", str(tmp_path / "empty.tar"), "localhost/flotta-test-broken-base")
    yield "localhost/flotta-test-broken-base"
    podman("rmi", "localhost/flotta-test-broken-base")


def test_build_that_fails_says_so_and_saves_no_older_image(
    broken_base: str, tmp_path: Path
) -> None:
    older = f"localhost/flotta-test-image:{version}"
    podman("tag", broken_base, older)
    result = subprocess.run(
        [ROOT / "scripts/image.sh", "--save", tmp_path / "image.tar"],
        env={**os.environ, "BASE": broken_base, "IMAGE": "localhost/flotta-test-image"},
        capture_output=True,
        text=True,
    )
    podman("rmi", older)
    assert result.returncode != 0
    assert f"The base image {broken_base} cannot be used; set BASE to" in result.stderr
    assert not (tmp_path / "image.tar").exists()
