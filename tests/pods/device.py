"""A device with the worker of this checkout, and the control plane that it obeys.

with device.running("web", {"containers": [container(script="exec httpd -f -p 8080")]}) as pod:
    assert pod.sh("echo $DEVICE_ID") == "edge-1"
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2

from pods import materials
from pods.control import Control, Texts, Wanted
from pods.host import LIMIT, Host
from pods.materials import ROOT, World
from pods.pod import WORKLOAD_LABEL, Pod
from waiting import wait_until

ROLE = ROOT / "collections/ansible_collections/flotta/edge/roles/device/templates"
WORKER = "flotta-device-worker.service"
PROGRAMS = "/opt/flotta/current/bin"
STARTS = "/var/log/pod-starts"  # a line for each start of a pod, with the path of its manifest
VOLUMES = "/var/local/yggdrasil/device/volumes"
VARIABLES = {
    "ansible_managed": "tests/pods",
    "__device_mark": "Written by the role flotta.edge.device",
    "__device_programs": PROGRAMS,
    "__device_configuration": "/etc/yggdrasil",
    "__device_usual_configuration": "/etc/yggdrasil",
    "__device_identity": "/etc/pki/consumer",
    "device_log_level": "info",
}


class Device:
    """One device; `close` removes everything of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._folder = Path(tempfile.mkdtemp(prefix="flotta-pods-", dir="/var/tmp"))
        self._ends = contextlib.ExitStack()
        self._ends.callback(shutil.rmtree, self._folder, ignore_errors=True)
        try:
            self.control = Control(self._folder)
            self._ends.callback(self.control.close)
            self.host = self._make_host()
            self._install()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Remove the machine and everything that the test process has made for it."""
        self._ends.close()

    @property
    def folder(self) -> Path:
        """A folder that the device and this process share, with one path."""
        return self._folder

    def _make_host(self) -> Host:
        archive = materials.sample_archive()
        mounts = [
            (self._folder, ""),
            (ROOT / "src", "ro"),
            (materials.packages(self.world), "ro"),
            (materials.compiled(self.world), ""),
            (archive, "ro"),
        ]
        name = f"flotta-pods-{self.world.suite}-{os.getpid()}"
        host = Host(name, materials.host_image(self.world), mounts)
        self._ends.callback(host.remove)
        host.wait_booted()
        host.run("podman", "load", "--quiet", "--input", str(archive))
        return host

    def _install(self) -> None:
        """Install the worker as the role does, but from this checkout."""
        python_path = f"{ROOT / 'src'}:{materials.packages(self.world)}"
        self.host.write(
            f"{PROGRAMS}/flotta-device-worker",
            "#!/bin/sh\nexec /usr/bin/python3 -m flotta.cli.device_worker\n",
        )
        self.host.write(
            f"/etc/systemd/system/{WORKER}.d/checkout.conf",
            "[Service]\n"
            f"Environment=PYTHONPATH={python_path}\n"
            f"Environment=PYTHONPYCACHEPREFIX={materials.compiled(self.world)}\n"
            f"Environment=YGG_SOCKET_ADDR={self.control.address}\n",
        )
        self.host.write(
            "/etc/systemd/system/podman-kube@.service.d/90-count.conf",
            f"[Service]\nExecStartPost=/bin/sh -c 'echo %I >>{STARTS}'\n",
        )
        self.host.write(f"/etc/systemd/system/{WORKER}", render(f"{WORKER}.j2"))
        self.host.write("/etc/sysusers.d/flotta.conf", render("sysusers.j2"))
        self.host.write("/etc/tmpfiles.d/flotta.conf", render("tmpfiles.j2"))
        self.host.sh(
            f"chmod 755 {PROGRAMS}/flotta-device-worker && systemd-sysusers"
            " && systemd-tmpfiles --create && systemctl daemon-reload"
            f" && systemctl enable --now {WORKER}"
        )

    def deploy(
        self,
        name: str,
        spec: Mapping[str, Any],
        *,
        config_maps: Texts | None = None,
        secrets: Texts | None = None,
        **fields: Any,
    ) -> Pod:
        """Tell the device to run a PodSpec, or to change it; do not wait for that.

        `fields` are others of the workload, as on the wire: labels, annotations, namespace, data.
        """
        self.control.wanted[name] = Wanted(spec, config_maps or {}, secrets or {}, fields)
        if self.control.status(name):
            self.control.forget()
        self.control.send()
        return self.pod(name)

    def pod(self, name: str) -> Pod:
        """Return the pod of a workload that is wanted."""
        containers = self.control.wanted[name].spec["containers"]
        return Pod(self.host, self.control, name, [entry["name"] for entry in containers])

    def run(self, name: str, spec: Mapping[str, Any], **options: Any) -> Pod:
        """Run a PodSpec of a new workload (see `deploy`); return when every container runs."""
        assert name not in self.control.wanted, f"{name} exists; use update"
        pod = self.deploy(name, spec, **options)
        pod.wait_running()
        return pod

    def update(self, name: str, spec: Mapping[str, Any], **options: Any) -> Pod:
        """Change a workload; return when the device has tried it and every container runs."""
        pod = self.deploy(name, spec, **options)
        self.control.wait_applied()
        pod.wait_running()
        return pod

    @contextlib.contextmanager
    def deployed(self, name: str, spec: Mapping[str, Any], **options: Any) -> Iterator[Pod]:
        """Tell the device to run a workload (see `deploy`); remove it at the end of the block."""
        assert name not in self.control.wanted, f"{name} exists; use update"
        try:
            yield self.deploy(name, spec, **options)
        finally:
            # A test that failed may have left it stopped.
            self.host.sh(f"systemctl start {WORKER}", check=False)
            self.remove(name)

    @contextlib.contextmanager
    def running(self, name: str, spec: Mapping[str, Any], **options: Any) -> Iterator[Pod]:
        """Run a workload (see `run`) until the block is left."""
        with self.deployed(name, spec, **options) as pod:
            pod.wait_running()
            yield pod

    def remove(self, *names: str) -> None:
        """Remove workloads; return when nothing of them runs and their files are gone."""
        for name in names:
            self.control.wanted.pop(name, None)
        self.control.send()
        for name in names:
            self.wait_gone(name)

    def wait_gone(self, name: str) -> None:
        """Wait until there is no container of a workload and the worker has no record of it."""
        look = (
            f"test ! -e /var/lib/flotta/worker/workloads/{name} && "
            f'test -z "$(podman ps -aq --filter label={WORKLOAD_LABEL}={name})" && echo gone'
        )
        wait_until(lambda: self.host.sh(look, check=False), LIMIT, pause=0.5)

    def pod_names(self) -> list[str]:
        """Return the names of the pods of workloads, those of older specifications too."""
        return sorted(
            self.host.run(
                *("podman", "pod", "ps", "--format", "{{.Name}}"),
                *("--filter", f"label={WORKLOAD_LABEL}"),
            ).split()
        )

    def export(self, name: str) -> str:
        """Return the path on the device of what a workload has at `/export`."""
        return f"{VOLUMES}/{name}"

    def stop_worker(self) -> None:
        """Stop the worker; pods run on."""
        self.host.sh(f"systemctl stop {WORKER}")

    def start_worker(self) -> None:
        """Start the worker, now and at boot; return when it has reported again."""
        self.control.forget()
        self.host.sh(f"systemctl enable {WORKER}")
        self.host.sh(f"systemctl start {WORKER}", check=False)  # systemd tries again what fails
        wait_until(self.control.last_heartbeat, LIMIT)

    @contextlib.contextmanager
    def without_worker(self, *, reboot: bool = False) -> Iterator[None]:
        """Leave the pods to systemd until the block is left.

        With `reboot`, the worker is not stopped before: the machine restarts without it.
        """
        try:
            if reboot:
                self.host.sh(f"systemctl disable {WORKER}")
                self.reboot()
            else:
                self.stop_worker()
            yield
        finally:
            self.start_worker()

    def kill_worker(self) -> None:
        """Kill the worker in the middle of what it does; systemd starts it again."""
        self.host.sh(f"systemctl kill --signal=KILL {WORKER}")

    def reboot(self) -> None:
        """Restart the machine."""
        self.control.forget()
        self.host.reboot()

    def starts(self) -> list[str]:
        """Return the manifest of each pod that a unit has started, oldest first.

        Restarts and reboots count, starts that failed do not.
        """
        return self.host.sh(f"cat {STARTS}", check=False).splitlines()

    def journal(self) -> str:
        """Return what worker, units and pods have logged lately, without what podman has made."""
        made = r"podman\[[0-9]+\]: (20|[0-9a-f]*$)"
        return self.host.sh(
            "journalctl --no-pager --lines=300 --output=short-precise"
            f" --unit={WORKER} --unit='podman-kube@*' | grep -Ev '{made}'",
            check=False,
        )


def render(template: str) -> str:
    """Return a file of the role device."""
    environment = jinja2.Environment(  # noqa: S701 (no HTML)
        undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    environment.filters["comment"] = lambda text: f"# {text}"
    return environment.from_string((ROLE / template).read_text()).render(VARIABLES)
