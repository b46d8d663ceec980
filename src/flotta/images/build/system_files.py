"""Files of the live system: its units, users and settings.

Units and users of the agent are those of the role device, whose templates are linked into
`data/templates`. They are put below /usr: /etc may be that of an earlier image, from the state.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path

import jinja2

from flotta.images.build.architectures import Architecture
from flotta.images.build.isolated import run_isolated
from flotta.images.build.programs import PROGRAMS
from flotta.images.build.wheelhouse import Wheelhouse

UNITS = "usr/lib/systemd/system"
# Template to path. Later images must have the same ids: the state has files of these users.
RENDERED = {
    "flotta-gateway.service": f"{UNITS}/flotta-gateway.service",
    "flotta-device-worker.service": f"{UNITS}/flotta-device-worker.service",
    "flotta-console.service": f"{UNITS}/flotta-console.service",
    "sysusers": "usr/lib/sysusers.d/flotta-device.conf",
    "tmpfiles": "usr/lib/tmpfiles.d/flotta-device.conf",
}
IDS = """\
g flotta-ipc 970
g flotta-gateway 972
u flotta-gateway 970:972 "Flotta gateway" /var/lib/flotta/gateway
m flotta-gateway flotta-ipc
u flotta-transfer 971 "Flotta file transfers"
"""
IDS_FILE = "boot/users.conf"  # not in the image: at the boot the users exist
ENABLED = (
    "flotta-gateway.service",
    "flotta-device-worker.service",
    "flotta-console.service",
    "flotta-container-images.service",
    "systemd-networkd.service",
    "systemd-resolved.service",
    "iwd.service",
    "ssh.service",
)
# Nobody logs in on a console, nothing waits for a network, packages and what follows from them are
# those of the medium, and ssh.service makes its host keys itself.
MASKED = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "autovt@.service",
    "console-getty.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "getty@.service",
    "ldconfig.service",
    "netavark-dhcp-proxy.service",
    "podman-auto-update.service",
    "podman-auto-update.timer",
    "podman-restart.service",
    "podman.service",
    "podman.socket",
    "serial-getty@.service",
    "sshd-keygen.service",
    "systemd-firstboot.service",
    "systemd-hwdb-update.service",
    "systemd-journal-catalog-update.service",
    "systemd-networkd-wait-online.service",
)
GENERATORS = ("systemd-ssh-generator", "systemd-getty-generator")  # sockets and consoles of logins


def write_system_files(
    root: Path, architecture: Architecture, house: Wheelhouse, epoch: int
) -> None:
    """Write all files into the root and make the users of the agent."""
    with as_file(files(__package__).joinpath("data", "files")) as given:
        shutil.copytree(given, root, dirs_exist_ok=True)
    for program in (root / "usr/lib/flotta").iterdir():
        program.chmod(0o755)  # wherever the wheel was unpacked
    for template, path in RENDERED.items():
        _write(root / path, render(template, _variables(architecture, house)))
    _write(root / IDS_FILE, IDS)
    _enable(root)
    _configure(root, house.version, epoch)
    run_isolated(["systemd-sysusers", f"/{IDS_FILE}"], root=root)
    run_isolated(["systemd-sysusers"], root=root)


def render(template: str, variables: Mapping[str, object]) -> str:
    """Return a file from its template, with what Ansible gives the templates of the role."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "data/templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - none of the files is HTML
    )
    environment.filters["comment"] = lambda text: f"# {text}"
    return environment.get_template(f"{template}.j2").render(variables)


def role_variables(house: Wheelhouse, kind: str, command: str) -> dict[str, object]:
    """Return what Ansible gives the templates of the role.

    `kind` is what the files are part of, `command` the program that writes them.
    """
    return {
        "ansible_managed": f"flotta.edge {house.version}, {kind}",
        "__device_mark": f"Written by {command}",
        "__device_programs": f"/{PROGRAMS}/current/bin",
        "__device_identity": "/etc/pki/consumer",
        "__device_configuration": "/etc/yggdrasil",
        "__device_usual_configuration": "/etc/yggdrasil",
        "__device_gateway_options": "",
        "device_log_level": "info",
        "programs_release": house.release,
    }


def _variables(architecture: Architecture, house: Wheelhouse) -> dict[str, object]:
    variables = role_variables(house, "base image", "flotta image build")
    return {**variables, "terminals": architecture.terminals}


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _enable(root: Path) -> None:
    units = root / UNITS
    wanted = units / "multi-user.target.wants"
    wanted.mkdir(exist_ok=True)
    for unit in ENABLED:
        _link(wanted / unit, f"../{unit}")
    for unit in MASKED:
        _link(root / "etc/systemd/system" / unit, "/dev/null")
    for generator in GENERATORS:
        _link(root / "etc/systemd/system-generators" / generator, "/dev/null")
    _link(units / "default.target", "multi-user.target")


def _link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def _configure(root: Path, version: str, epoch: int) -> None:
    _link(root / "etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf")
    _write(root / "etc/hostname", "flotta\n")
    _write(root / "etc/hosts", "127.0.0.1 localhost\n::1 localhost ip6-localhost\n")
    _write(root / "etc/fstab", "")
    with open(root / "usr/lib/os-release", "a", encoding="utf-8") as release:
        release.write(f'IMAGE_ID=flotta-live\nIMAGE_VERSION="{version}"\n')
    clock = root / "usr/lib/clock-epoch"
    clock.touch()
    os.utime(clock, (epoch, epoch))
    (root / "state").mkdir(exist_ok=True)
    (root / "root/.ssh").mkdir(mode=0o700, parents=True, exist_ok=True)
    (root / "root").chmod(0o700)
