#!/usr/bin/python
# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: device_image
short_description: Build a base ISO of a live system for devices
version_added: 0.1.0
description:
  - Builds an ISO from packages of Debian, with the agent, podman and what they need. It has no settings and no secrets. The module
    M(flotta.edge.device_iso) puts them into copies of it.
  - An ISO that was made from the same is not built again. The file is replaced as a whole, or stays as it was.
  - The packages are kept in O(cache). An image with another release of the programs needs no network then.
author:
  - flotta.edge contributors (@project-flotta)
options:
  dest:
    description:
      - Path of the ISO. Its directory exists and has 2.5 GB of free space while the image is built.
    type: path
    required: true
  wheelhouse:
    description:
      - Archive or directory of wheels for the image's Python and architecture, as M(flotta.edge.wheelhouse) makes it of the requirements
        C(device.txt), C(images.txt) and C(sync.txt). It has these files and the wheel of C(flotta-edge) as well.
    type: path
    required: true
  suite:
    description:
      - Release of Debian.
    type: str
    choices: [bookworm, trixie]
    default: bookworm
  architecture:
    description:
      - Architecture of the devices. Another one than that of the build host needs C(qemu-user-static) there.
    type: str
    choices: [amd64, arm64]
    default: amd64
  packages:
    description:
      - Packages of Debian besides those of every image.
    type: list
    elements: str
    default: []
  components:
    description:
      - Components of Debian's archive from which packages come. Firmware of many Wi-Fi adapters is in V(non-free-firmware).
    type: list
    elements: str
    default: [main]
  mirrors:
    description:
      - Address of an archive of Debian, and, ending in C(-security), that of its security updates. Or lines of C(sources.list), which
        are used as they are. A name and a password in an address are given to apt in a file, and are neither in the image nor in outputs.
      - When omitted, what the build host itself uses.
    type: list
    elements: str
    default: []
  container_images:
    description:
      - Archives of container images, as C(podman save) makes them. Devices load those that podman does not have.
    type: list
    elements: path
    default: []
  compression:
    description:
      - Compression of the root. The image is the smallest with V(xz), and the fastest to build with V(zstd-3).
    type: str
    choices: [zstd-3, zstd-15, xz]
    default: zstd-3
  epoch:
    description:
      - Unix time that all files have, and before which the clock of a device cannot be.
      - When omitted, that of the wheel of C(flotta-edge).
    type: int
  cache:
    description:
      - Directory of packages that are installed already.
    type: path
    default: ~/.cache/flotta-edge
  refresh:
    description:
      - Whether to look for newer packages. The ISO is replaced if there are any.
      - In check mode, that is reported as a change, because it is not known.
    type: bool
    default: false
  force:
    description:
      - Whether to replace a file that is not a base of flotta.edge.
    type: bool
    default: false
attributes:
  check_mode:
    description: Reports whether the ISO would be built. Checks all settings, and downloads nothing.
    support: full
  diff_mode:
    description: Shows what the ISO says of itself, with the versions of its packages. They are known only after the build.
    support: full
  idempotent:
    description: Changes nothing when the ISO was made from the same.
    support: full
requirements:
  - flotta-edge with the extra C(images), as the role P(flotta.edge.programs#role) installs it
  - The packages C(mmdebstrap), C(mtools), C(squashfs-tools) and C(xorriso) (names of Debian)
  - root
seealso:
  - module: flotta.edge.device_iso
  - module: flotta.edge.wheelhouse
"""

EXAMPLES = r"""
- name: Build a base ISO of Debian 12
  flotta.edge.device_image:
    dest: /srv/images/base.iso
    wheelhouse: /srv/images/wheels.tar
  vars:
    ansible_python_interpreter: /opt/flotta/current/bin/python3
  become: true

- name: Build one of Debian 13, with firmware for Wi-Fi and an image that devices need not pull
  flotta.edge.device_image:
    dest: /srv/images/base-wifi.iso
    wheelhouse: /srv/images/wheels-3.13.tar
    suite: trixie
    components: [main, non-free-firmware]
    packages: [firmware-iwlwifi]
    container_images: [/srv/images/till.tar]
    compression: xz
  vars:
    ansible_python_interpreter: /opt/flotta/current/bin/python3
  become: true
"""

RETURN = r"""
image:
  description: What the ISO is. In check mode, what the one that exists is.
  type: dict
  returned: success, if the ISO exists
  contains:
    path:
      description: Path of the ISO.
      type: str
      returned: always
    size:
      description: Bytes of the ISO.
      type: int
      returned: always
    content_id:
      description: SHA-256 of all that it boots and runs.
      type: str
      returned: always
    release:
      description: Release of flotta.edge in it.
      type: str
      returned: always
    suite:
      description: Release of Debian.
      type: str
      returned: always
    architecture:
      description: Architecture of the devices.
      type: str
      returned: always
    kernel:
      description: Release of the kernel.
      type: str
      returned: always
    epoch:
      description: Unix time of its files.
      type: int
      returned: always
    packages:
      description: Version of each package of Debian in it.
      type: dict
      returned: always
reason:
  description: Code of what went wrong.
  type: str
  returned: failure
  sample: ToolMissing
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotta.edge.plugins.module_utils import _device_media as device_media

try:
    from flotta.images.base_record import BaseRecord
    from flotta.images.build.base_image import build_base, plan_build, require_possible
    from flotta.images.build.mirror_credentials import credentials_of
    from flotta.images.build.request import BaseRequest, find_architecture, find_suite
except ImportError as error:
    device_media.import_errors.append(error)  # device_media.run() says so

ARGUMENTS: dict[str, Any] = {
    "dest": {"type": "path", "required": True},
    "wheelhouse": {"type": "path", "required": True},
    "suite": {"type": "str", "choices": ["bookworm", "trixie"], "default": "bookworm"},
    "architecture": {"type": "str", "choices": ["amd64", "arm64"], "default": "amd64"},
    "packages": {"type": "list", "elements": "str", "default": []},
    "components": {"type": "list", "elements": "str", "default": ["main"]},
    "mirrors": {"type": "list", "elements": "str", "default": []},
    "container_images": {"type": "list", "elements": "path", "default": []},
    "compression": {"type": "str", "choices": ["zstd-3", "zstd-15", "xz"], "default": "zstd-3"},
    "epoch": {"type": "int"},
    "cache": {"type": "path", "default": "~/.cache/flotta-edge"},
    "refresh": {"type": "bool", "default": False},
    "force": {"type": "bool", "default": False},
}


@dataclass(frozen=True)
class Parameters:
    """The parameters of the module."""

    dest: str
    wheelhouse: str
    suite: str
    architecture: str
    packages: list[str]
    components: list[str]
    mirrors: list[str]
    container_images: list[str]
    compression: str
    epoch: int | None
    cache: str
    refresh: bool
    force: bool


def make_request(parameters: Parameters) -> BaseRequest:
    """Return what is to be built."""
    return BaseRequest(
        find_suite(parameters.suite),
        find_architecture(parameters.architecture),
        Path(parameters.wheelhouse),
        Path(parameters.dest).absolute(),
        packages=tuple(parameters.packages),
        components=tuple(parameters.components),
        container_images=tuple(Path(path) for path in parameters.container_images),
        compression=parameters.compression,
        mirrors=tuple(parameters.mirrors),
        cache=Path(parameters.cache),
        epoch=parameters.epoch,
        refresh=parameters.refresh,
        force=parameters.force,
    )


def describe(record: BaseRecord | None) -> dict[str, Any]:
    """Return what an ISO says of itself, nothing for none."""
    if record is None:
        return {}
    return {
        "content_id": record.content_id,
        "release": record.release,
        "suite": record.suite,
        "architecture": record.architecture,
        "kernel": record.kernel,
        "epoch": record.epoch,
        "packages": dict(record.packages),
    }


def answer(
    request: BaseRequest, before: BaseRecord | None, after: BaseRecord | None, changed: bool
) -> dict[str, Any]:
    """Return the result: what was there, and what is there."""
    result: dict[str, Any] = {"changed": changed}
    if after is not None:
        path = request.output
        result["image"] = {"path": str(path), "size": path.stat().st_size, **describe(after)}
    if changed:
        result["diff"] = {"before": describe(before), "after": describe(after)}
    return result


def ensure(module: AnsibleModule, parameters: Parameters) -> dict[str, Any]:
    """Build the ISO unless it exists as it is to be."""
    module.no_log_values.update(credentials_of(parameters.mirrors))
    request = make_request(parameters)
    plan = plan_build(request)
    before = plan.current
    if not plan.changes:
        return answer(request, before, before, changed=False)
    if module.check_mode:
        require_possible(request)
        wanted = {
            "suite": request.suite.name,
            "architecture": request.architecture.name,
            "release": plan.house.version,
        }
        return {
            **answer(request, before, before, changed=True),
            "diff": {"before": describe(before), "after": wanted},
        }
    after = build_base(plan)
    return answer(request, before, after, changed=after != before)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    device_media.run(module, lambda: ensure(module, Parameters(**module.params)))


if __name__ == "__main__":
    main()
