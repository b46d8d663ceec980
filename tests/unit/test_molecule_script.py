"""What scripts/molecule.sh does around Molecule, and how the tests that run it end.

A stub stands for Molecule: it notes what it was asked for, and fails in the scenarios of BROKEN.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from waiting import wait_until

ROOT = Path(__file__).parents[2]
MOLECULE = """\
#!/bin/sh
case $1 in
test)
  echo "test $3" >>"$CALLS"
  [ -z "$HANGS" ] || sleep 60
  case " $BROKEN " in *" $3 "*) exit 1 ;; esac ;;
destroy)
  [ -z "$HANGS" ] || sleep 0.5
  echo "destroy $4" >>"$CALLS" ;;
esac
"""
LANES = """\
groups=" molecule "
. scripts/lanes.sh
hosts() { part "Molecule" scripts/molecule.sh many; no_scenario_is_left many; }
lane "hosts" hosts
follow
summary
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder with the scripts and the stub, without history."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / "tests").mkdir()
    shutil.copy(ROOT / "tests/releases.py", tmp_path / "tests")
    (tmp_path / "collections/ansible_collections/flotta/edge").mkdir(parents=True)
    for name, program in {"molecule": MOLECULE, "podman": "#!/bin/sh\n"}.items():
        stub = tmp_path / ".venv-molecule/bin" / name
        stub.parent.mkdir(parents=True, exist_ok=True)
        stub.write_text(program)
        stub.chmod(0o755)
    return tmp_path


def environment(checkout: Path, **variables: str) -> dict[str, str]:
    path = f"{checkout}/.venv-molecule/bin:{os.defpath}"
    no_git = {"GIT_CEILING_DIRECTORIES": str(checkout.parent)}
    empty = {"BROKEN": "", "HANGS": ""}
    return {"PATH": path, "CALLS": str(checkout / "calls"), **no_git, **empty, **variables}


def start(checkout: Path, *command: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        cwd=checkout,
        env=environment(checkout, **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(checkout: Path, *scenarios: str, **variables: str) -> tuple[int, str]:
    script = start(checkout, "scripts/molecule.sh", *scenarios, **variables)
    output, _ = script.communicate(timeout=60)
    return script.returncode, output


def calls(checkout: Path) -> list[str]:
    file = checkout / "calls"
    return file.read_text().splitlines() if file.exists() else []


def test_without_history_all_but_upgrade_run(checkout: Path) -> None:
    code, output = run(checkout)
    assert code == 0, output
    assert "git fetch --unshallow" in output
    each = ["changed", "many", "debian13"]
    cleaned = [f"{step} {name}" for name in each for step in ("test", "destroy")]
    assert calls(checkout) == ["test default", "test absent", "destroy absent", *cleaned]


def test_what_cannot_run_at_all_was_skipped(checkout: Path) -> None:
    assert run(checkout, "upgrade")[0] == 77
    assert calls(checkout) == []


def test_a_scenario_that_fails_stops_only_what_goes_on_from_it(checkout: Path) -> None:
    code, output = run(checkout, "default", "absent", "many", "changed", BROKEN="default many")
    assert code == 1
    assert output.endswith("These failed: default; many\n")
    removed = ["destroy default", "test many", "destroy many", "test changed", "destroy changed"]
    assert calls(checkout) == ["test default", *removed]


def test_what_is_left_is_removed_first(checkout: Path) -> None:
    (checkout / ".cache/molecule/many").mkdir(parents=True)
    assert run(checkout, "many")[0] == 0
    assert calls(checkout) == ["destroy many", "test many", "destroy many"]


def test_a_step_runs_alone(checkout: Path) -> None:
    assert run(checkout, "default", "absent", STEP="test")[0] == 0
    assert calls(checkout) == ["test default", "test absent"]


def test_kept_hosts_are_no_failure(checkout: Path) -> None:
    (checkout / ".cache/molecule/many").mkdir(parents=True)
    for keep, code in {"1": 0, "": 1}.items():
        tests = start(checkout, "bash", "-c", LANES, KEEP_SITE=keep)
        output, _ = tests.communicate(timeout=60)
        assert tests.returncode == code, output
        assert ("Still there: .cache/molecule/many" in output) == (code == 1)


def test_an_interrupted_run_ends_when_its_hosts_are_removed(checkout: Path) -> None:
    tests = start(checkout, "bash", "-c", LANES, HANGS="1")
    wait_until(lambda: calls(checkout) == ["test many"])
    tests.send_signal(signal.SIGTERM)
    output, _ = tests.communicate(timeout=60)
    assert tests.returncode == 1
    assert calls(checkout) == ["test many", "destroy many"], output
    assert "tail: cannot open" not in output
