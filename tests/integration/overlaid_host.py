"""A host for the roles: this machine with writable copies of its folders, in a mount namespace.

What playbooks write goes to a folder of the test, and stays there from one run to the next. systemd
and podman are doubles, because nothing may be started here; they log what they are told.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDERS = ("/etc", "/opt", "/var/lib", "/var/local", "/usr/local", "/run")
SYSTEMCTL = """#!/bin/sh
echo "systemctl $*" >>{calls}
case $1 in
  cat) shift; found=1
    for unit; do
      file=/etc/systemd/system/${{unit%.service}}.service
      [ -e "$file" ] && {{ echo "# $file"; cat "$file"; }} || found=0
    done; [ $found = 1 ] ;;
  show) printf 'LoadState=loaded\\nActiveState=active\\nUnitFileState=enabled\\n' ;;
  is-enabled) echo enabled ;;
  is-active) echo active ;;
esac
"""
LOGS = '#!/bin/sh\necho "$0 $*" >>{calls}\n'
PODMAN = LOGS + '[ "$1" != --version ] || echo "podman version {version}"\n'
TMPFILES = LOGS + """sed -n 's/^d \\([^ ]*\\).*/\\1/p' "$2" | xargs -r mkdir -p\n"""
COMMANDS = ("flotta", "flotta-configuration-api")  # that roles put on the path
WHEEL = "flotta_edge-9.9.9-py3-none-any.whl"


class OverlaidHost:
    """The host `box`, which is control plane and device, or whatever the inventory says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = folder / "calls"
        self.files = folder / "files"
        self.variables: dict[str, Any] = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "programs_python": sys.executable,
            "programs_wheelhouse": str(folder / "wheels.tar"),
        }
        self.groups = {"flotta_control_plane": ["box"], "flotta_devices": ["box"]}
        self._make_programs()
        self._make_doubles()
        for place in FOLDERS:
            self.path(place).mkdir(parents=True, exist_ok=True)
        self.path("/run/systemd/system").mkdir(parents=True)

    def path(self, place: str) -> Path:
        """Return where a path of the host is that a playbook or this test has written."""
        return self.folder / "host" / place.strip("/")

    def write(self, place: str, text: str = "") -> Path:
        """Write a file of the host."""
        path = self.path(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def written(self) -> set[str]:
        """Return every file and link that exists on the host and not on this machine."""
        top = self.folder / "host"
        return {
            "/" + str(path.relative_to(top))
            for path in top.rglob("*")
            if path.is_symlink() or path.is_file()
        }

    def run(
        self, playbook: str, *options: str, **variables: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a playbook, by its name in the collection or its path."""
        self._write_inventory()
        given = ["-e", json.dumps({"__programs_files": str(self.files), **variables})]
        command = [sys.executable, "-m", "ansible.cli.playbook", playbook]
        command += ["-i", str(self.folder / "hosts.json"), *given, *options]
        return subprocess.run(
            ["unshare", "--mount", "sh", "-ec", self._mounts() + 'exec "$@"', "sh", *command],
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=600,
        )

    def _mounts(self) -> str:
        lines = []
        for place in FOLDERS:
            upper, work = self.path(place), self.folder / "work" / place.strip("/")
            work.mkdir(parents=True, exist_ok=True)
            options = f"lowerdir={place},upperdir={upper},workdir={work}"
            lines.append(f"[ ! -d {place} ] || mount -t overlay overlay -o {options} {place}\n")
        return "".join(lines)

    def _environment(self) -> Mapping[str, str]:
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith("ANSIBLE_")},
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "true",
            "NO_COLOR": "1",
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "src"),
        }

    def _write_inventory(self) -> None:
        children = {
            group: {"hosts": {name: {} for name in hosts}} for group, hosts in self.groups.items()
        }
        inventory = {"all": {"vars": self.variables, "children": children}}
        (self.folder / "hosts.json").write_text(json.dumps(inventory))

    def _make_doubles(self) -> None:
        self.double("systemctl", SYSTEMCTL.format(calls=self.calls))
        self.double("podman", PODMAN.format(calls=self.calls, version="4.3.1"))
        self.double("systemd-tmpfiles", TMPFILES.format(calls=self.calls))
        for name in ("systemd-sysusers", "runuser", "userdel", "groupdel"):
            self.double(name, LOGS.format(calls=self.calls))

    def double(self, name: str, text: str) -> None:
        """Put a program before those of the machine on the path."""
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def _make_programs(self) -> None:
        """Make what the role programs installs: a package with nothing in it."""
        (self.files / "requirements").mkdir(parents=True)
        for name in ("control-plane", "device", "sync"):
            (self.files / f"requirements/{name}.txt").touch()
        (self.files / "digest").write_text("0123456789abcdef\n")
        with zipfile.ZipFile(self.files / WHEEL, "w") as wheel:
            info = "flotta_edge-9.9.9.dist-info"
            wheel.writestr(
                f"{info}/METADATA", "Metadata-Version: 2.1\nName: flotta-edge\nVersion: 9.9.9\n"
            )
            tag = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            wheel.writestr(f"{info}/WHEEL", tag)
            commands = "".join(f"{name} = nothing:main\n" for name in COMMANDS)
            wheel.writestr(f"{info}/entry_points.txt", f"[console_scripts]\n{commands}")
            wheel.writestr(f"{info}/RECORD", "")
        # An archive needs content.
        with tarfile.open(self.folder / "wheels.tar", "w") as archive:
            archive.add(self.files / "digest", arcname="digest")


def said(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a run printed, in one line."""
    return " ".join((done.stdout + done.stderr).split())
