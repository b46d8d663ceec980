"""A device's machine: a container with systemd, and a network of its own without a way out.

It takes no subnet of this machine: it has one interface, whose other end is in the container too.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pods.materials import ROOT, has_cgroup_v2, podman_environment, run_podman
from waiting import wait_until

LIMIT = 300.0  # seconds for what takes two: the machine may be busy with much else
ADDRESS = "192.0.2.10"  # RFC 5737: no real network has it
LABEL = "flotta.edge.pods"  # the checkout whose test made a container
PROCESS_LABEL = "flotta.edge.pods.process"  # the process that removes it
BOOT = f"""
ip link add eth0 type veth peer name uplink0
ip address add {ADDRESS}/24 dev eth0
ip link set uplink0 up
ip link set eth0 up
ip route add default via 192.0.2.1
mount --make-rshared /
exec /lib/systemd/systemd
"""
# All other containers, those of sites too, share one group of podman's: beside them it would crawl.
GROUP = f"/flotta-pods-{os.getpid()}"
# Under cgroup v1, podman's systemd mode would give every container this machine's hierarchy.
FLAGS_V1 = (
    "--systemd=false",
    "--stop-signal=SIGRTMIN+3",
    "--env=container=podman",
    "--tmpfs=/run",
    "--tmpfs=/run/lock",
    "--tmpfs=/tmp",
)
FLAGS_V2 = ("--systemd=always",)


class Host:
    """The container `name`; `mounts` are folders of this machine, each with options or none."""

    def __init__(self, name: str, image: str, mounts: Sequence[tuple[Path, str]]) -> None:
        self.name = name
        volumes = [f"--volume={path}:{path}{options and ':'}{options}" for path, options in mounts]
        run_podman(
            *("run", "--detach", "--name", name, "--hostname", "edge-1"),
            *("--label", f"{LABEL}={ROOT}", "--label", f"{PROCESS_LABEL}={os.getpid()}"),
            *("--privileged", "--cgroupns=private", "--network=none"),
            "--volume=/var/lib/containers",
            *volumes,
            *(FLAGS_V2 if has_cgroup_v2() else (*FLAGS_V1, f"--cgroup-parent={GROUP}")),
            *(image, "sh", "-c", BOOT),
        )

    def sh(self, command: str, **options: Any) -> str:
        """Run a shell command as root; for `options` and result see `run`."""
        return self.run("sh", "-c", command, **options)

    def run(
        self, *command: str, stdin: str = "", check: bool = True, seconds: float = LIMIT
    ) -> str:
        """Run a program as root; return its standard output.

        Raises AssertionError with everything that it printed when it fails, unless `check` is
        false.
        """
        done = subprocess.run(
            ["podman", "exec", "--interactive", self.name, *command],
            env=podman_environment(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if check and done.returncode:
            said = f"{done.stdout}{done.stderr}"
            raise AssertionError(f"{' '.join(command)}: exit {done.returncode}: {said}")
        return done.stdout

    def write(self, path: str, text: str) -> None:
        """Write a file and the folders above it."""
        self.sh(f"mkdir -p $(dirname {path}); cat >{path}", stdin=text)

    def pid(self) -> int:
        """Return the process id of its init, as this machine knows it: it names its namespaces."""
        return int(run_podman("inspect", "--format", "{{.State.Pid}}", self.name))

    def wait_booted(self) -> None:
        """Wait until systemd has started everything."""
        wait_until(
            lambda: (
                self.sh("systemctl is-system-running --wait", check=False).strip()
                in ("running", "degraded")
            ),
            LIMIT,
            pause=0.2,
        )

    def reboot(self) -> None:
        """Stop everything in order and start again; files stay, `/run` is new."""
        run_podman("restart", "--time=60", self.name)
        self.wait_booted()

    def cut_power(self) -> None:
        """End every process at once and start again."""
        run_podman("kill", "--signal=KILL", self.name)
        run_podman("wait", self.name)
        run_podman("start", self.name)
        self.wait_booted()

    def remove(self) -> None:
        """Remove the container and its volumes."""
        remove_container(self.name)
        for group in Path("/sys/fs/cgroup").glob(f"*{GROUP}"):
            for folder in (*sorted(group.rglob("*/"), reverse=True), group):
                with contextlib.suppress(OSError):  # another device of this process has it
                    folder.rmdir()


def remove_container(name: str) -> None:
    """Remove a container, if it exists, again when its processes took too long to end."""
    remove = ("rm", "--force", "--ignore", "--volumes", "--time=0", name)
    wait_until(lambda: run_podman(*remove) or True, LIMIT, tolerate=AssertionError, pause=1)


def remove_abandoned() -> None:
    """Remove the containers of test processes that have been killed."""
    template = f'{{{{.ID}}}} {{{{index .Labels "{PROCESS_LABEL}"}}}}'
    listing = run_podman("ps", "--all", "--filter", f"label={PROCESS_LABEL}", "--format", template)
    for line in listing.splitlines():
        container, process = line.split()
        if not Path(f"/proc/{process}").exists():
            remove_container(container)
