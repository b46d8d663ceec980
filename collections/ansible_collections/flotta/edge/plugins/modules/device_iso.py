#!/usr/bin/python
# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: device_iso
short_description: Write ISOs with which devices boot into the fleet
version_added: 0.1.0
description:
  - Puts a registration certificate and settings into a copy of a base ISO. A device that boots from it requests to join the fleet.
  - The base is copied, and one area of it is overwritten. A file that has the same content already is not written again. A file appears
    complete or not at all.
  - Whoever holds the ISO has the key in it. Limit its batch with the module M(flotta.edge.registration_certificate).
author:
  - flotta.edge contributors (@project-flotta)
options:
  state:
    description:
      - V(present) writes the ISO.
      - V(reset) overwrites the settings in ISOs that exist.
      - V(absent) removes the file, and a link that leads to it. One that flotta.edge did not make is removed only with O(force).
    type: str
    choices: [present, reset, absent]
    default: present
  medium:
    description:
      - V(iso) is a copy of O(base).
      - V(seed) is a small image with the same settings, for a second stick beside an unmodified base.
    type: str
    choices: [iso, seed]
    default: iso
  base:
    description:
      - Path of the base ISO, or of an installer of Debian. Required for O(state=present) with O(medium=iso).
    type: path
  checksum:
    description:
      - SHA-256 that the base has to have. An empty one is refused.
    type: str
  architecture:
    description:
      - Architecture that the base has to have.
    type: str
    choices: [amd64, arm64]
  firmware:
    description:
      - By which firmware the base has to boot.
      - When omitted, by V(bios) and V(uefi), or only by V(uefi) if it is for V(arm64).
    type: list
    elements: str
    choices: [bios, uefi]
  wheelhouse:
    description:
      - Archive with the programs for the system that an installer installs, as M(flotta.edge.wheelhouse) makes it. Only for a base that
        is an installer.
    type: path
  cache:
    description:
      - Directory of installers that are prepared.
      - When omitted, C(/var/cache/flotta/images), for users C(~/.cache/flotta-edge/images).
    type: path
  dest:
    description:
      - Path of the file. Mutually exclusive with O(outputs), and one of them is required.
    type: path
  outputs:
    description:
      - Many files at once, with what each has of its own. All other settings are those of the task.
      - The base is checked and prepared once. Every item is checked before the first is written, also the space for all. If one fails
        later, the module fails and RV(outputs) has those that were written before.
      - At most 10,000, each for another device id if it has one.
    type: list
    elements: dict
    suboptions:
      dest:
        description:
          - Path of the file.
        type: path
        required: true
      certificate: &certificate
        description:
          - Registration certificate, PEM.
        type: str
      certificate_file: &certificate_file
        description:
          - Path of a file with it, on the machine on which the module runs.
        type: path
      key: &key
        description:
          - Private key of the registration certificate, PEM.
        type: str
      key_file: &key_file
        description:
          - Path of a file with it, on the machine on which the module runs.
        type: path
      batch: &batch
        description:
          - Name of the registration batch, for those who look at the medium later.
        type: str
      namespace: &namespace
        description:
          - Namespace that the devices join. When omitted, the first of the certificate.
        type: str
      device_id: &device_id
        description:
          - Id of the only device that boots from the medium. When omitted, each device has the id of its hardware.
        type: str
      labels: &labels
        description:
          - Labels that the devices ask for. They get those that the batch lists.
        type: dict
      tags: &tags
        description:
          - Tags that the devices send when they join.
        type: dict
      network: &network
        description:
          - Wired interfaces. When omitted, each is configured by DHCP.
        type: list
        elements: dict
        suboptions:
          interface:
            description:
              - Name of the interface; V(*) and V(?) are wildcards. Either this or O(network[].mac) is required.
            type: str
          mac:
            description:
              - MAC address of the interface.
            type: str
          addresses:
            description:
              - Addresses with their prefix, such as V(192.0.2.7/24). When omitted, DHCP.
            type: list
            elements: str
          gateways:
            description:
              - Addresses of routers.
            type: list
            elements: str
          dns:
            description:
              - Addresses of DNS servers.
            type: list
            elements: str
          vlan:
            description:
              - VLAN of the interface to which all of that belongs, 1 to 4094.
            type: int
      wifi: &wifi
        description:
          - Wi-Fi networks.
        type: list
        elements: dict
        suboptions:
          ssid:
            description:
              - Name of the network.
            type: str
            required: true
          passphrase:
            description:
              - Passphrase of 8 to 63 characters, or a key of 64 hexadecimal digits. When omitted, the network is open.
            type: str
          hidden:
            description:
              - Whether the network does not announce itself.
            type: bool
            default: false
      ssh_authorized_keys: &ssh_authorized_keys
        description:
          - Public keys that may log in as root. When omitted, nobody may.
        type: list
        elements: str
      state_disk: &state_disk
        description:
          - Disk for the state, instead of the medium. A path below C(/dev), or C(serial=) with its serial number.
        type: str
  server:
    description:
      - Host and port of the Edge API. Port 8043 may be left out. Required for O(state=present).
    type: str
  address:
    description:
      - IP address of the Edge API, for devices whose DNS does not know it.
    type: str
  path_prefix:
    description:
      - Path prefix of the Edge API.
    type: str
  ca:
    description:
      - Certificates of the CAs of the fleet, PEM. This or O(ca_file) is required for O(state=present).
    type: str
  ca_file:
    description:
      - Path of a file with them, on the machine on which the module runs.
    type: path
  certificate: *certificate
  certificate_file: *certificate_file
  key: *key
  key_file: *key_file
  min_validity:
    description:
      - Seconds that the certificate has to be valid for. When omitted, 259200 (3 days).
    type: int
  batch: *batch
  namespace: *namespace
  device_id: *device_id
  labels: *labels
  tags: *tags
  network: *network
  wifi: *wifi
  ssh_authorized_keys: *ssh_authorized_keys
  state_disk: *state_disk
  extra_ca:
    description:
      - Further CAs that the registries of containers may have, PEM.
    type: str
  extra_ca_file:
    description:
      - Path of a file with them, on the machine on which the module runs.
    type: path
  installer:
    description:
      - Answers for the installer of Debian, only with such a base. What is omitted and has no default, the installer asks at the screen.
    type: dict
    suboptions:
      disk:
        description:
          - Disk that the installer partitions as a whole, without a question. When omitted, it asks; it never chooses a disk by itself.
        type: path
      locale:
        description:
          - Locale. When omitted, V(en_US.UTF-8).
        type: str
      keymap:
        description:
          - Keyboard layout. When omitted, V(us).
        type: str
      timezone:
        description:
          - Time zone. When omitted, V(Etc/UTC).
        type: str
      hostname:
        description:
          - Name of the host. When omitted, the id of the device, else V(flotta).
        type: str
      mirror:
        description:
          - Host of the mirror of Debian, with a port if it is not 80. When omitted, the installer asks for one.
        type: str
      mirror_directory:
        description:
          - Path on the mirror. When omitted, V(/debian).
        type: str
      proxy:
        description:
          - URL of a proxy for the mirror.
        type: str
      password_hash:
        description:
          - Hash of the password of root, as C(openssl passwd -6) makes it. When omitted, root has no password.
        type: str
      packages:
        description:
          - Further packages.
        type: list
        elements: str
      power_off:
        description:
          - Whether the machine is switched off after the installation, instead of started again. When omitted, V(false).
        type: bool
      extra:
        description:
          - Further lines for the preseed. They count more than those of the module. C(preseed/late_command), C(partman/early_command) and
            C(pkgsel/include) are refused, since the installation of the programs hangs on them.
        type: str
      extra_file:
        description:
          - Path of a file with them, on the machine on which the module runs.
        type: path
  epoch:
    description:
      - Unix time of the files on the medium. When omitted, since when the certificate is valid.
    type: int
  mode:
    description:
      - Permissions of the file.
    type: raw
    default: "0600"
  owner:
    description:
      - User who owns the file. When omitted, the one who runs the module, if the file is written.
    type: str
  group:
    description:
      - Group that owns the file.
    type: str
  force:
    description:
      - Whether to replace, or remove, a file that flotta.edge did not make, and to replace another base or a medium of the other kind.
    type: bool
    default: false
  thorough:
    description:
      - Whether to compare every byte of a file that exists, not only its area, its size and how it boots.
    type: bool
    default: false
  lock_timeout:
    description:
      - Seconds to wait for another process that writes to the same directory.
    type: int
    default: 60
attributes:
  check_mode:
    description: Checks everything, the free space too, and writes nothing. A base that is an installer is prepared in the cache.
    support: full
  diff_mode:
    description: Shows the manifests, which have no secrets.
    support: full
  idempotent:
    description: Changes nothing when the file has the same content, mode and owner.
    support: full
requirements:
  - flotta-edge with the extra C(images), as the role P(flotta.edge.programs#role) installs it
  - C(xorriso) for seeds and installers
seealso:
  - module: flotta.edge.device_iso_info
  - module: flotta.edge.registration_certificate
"""

EXAMPLES = r"""
- name: Issue a certificate for fifty tills
  flotta.edge.registration_certificate:
    name: berlin-2027
    uses: 50
    validity: "{{ 60 * 24 * 3600 }}"
  register: registration

- name: Write the ISO that all of them boot from
  flotta.edge.device_iso:
    base: /srv/images/base.iso
    dest: /srv/images/berlin-2027.iso
    server: edge.example.com
    ca: "{{ registration.ca }}"
    certificate: "{{ registration.certificate }}"
    key: "{{ registration.key }}"
    batch: berlin-2027
    labels:
      site: berlin
    wifi:
      - ssid: shop
        passphrase: "{{ shop_passphrase }}"

- name: Write one ISO for each till
  flotta.edge.device_iso:
    base: /srv/images/base.iso
    server: edge.example.com
    ca: "{{ registration.ca }}"
    certificate: "{{ registration.certificate }}"
    key: "{{ registration.key }}"
    outputs:
      - dest: /srv/images/till-1.iso
        device_id: till-1
      - dest: /srv/images/till-2.iso
        device_id: till-2
        network:
          - interface: en*
            addresses: [192.0.2.7/24]
            gateways: [192.0.2.1]
            dns: [192.0.2.53]

- name: Write a seed for virtual machines that boot from the base
  flotta.edge.device_iso:
    medium: seed
    dest: /srv/images/berlin-2027.img
    server: edge.example.com
    ca_file: stick/ca.crt
    certificate_file: stick/client.crt
    key_file: stick/client.key
"""

RETURN = r"""
outputs:
  description: What was written, or would be in check mode, in the order of the parameters.
  type: list
  elements: dict
  returned: success, and when one of many fails after others were written
  contains:
    dest:
      description: Path of the file.
      type: str
      returned: always
    changed:
      description: Whether this file was changed.
      type: bool
      returned: always
    size:
      description: Bytes of the file.
      type: int
      returned: with state C(present)
    content_id:
      description: SHA-256 of everything that the file was made from; equal for equal files.
      type: str
      returned: with state C(present)
    payload_sha256:
      description: SHA-256 of the archive in the area, which firmware with a TPM measures.
      type: str
      returned: with state C(present)
    area:
      description: Offset, size and used bytes of the area.
      type: dict
      returned: with state C(present)
    manifest:
      description: What is on the medium, without secrets, such as serial number and expiry of the certificate and the files.
      type: dict
      returned: with state C(present)
base:
  description: What the base is, such as C(kind), C(release), C(suite), C(architecture) and C(contentID).
  type: dict
  returned: with state C(present) and medium C(iso)
reason:
  description: Code of what went wrong.
  type: str
  returned: failure
  sample: CertificateExpired
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.flotta.edge.plugins.module_utils import _device_media as device_media
from ansible_collections.flotta.edge.plugins.module_utils._secret_parameters import SecretsModule

try:
    import msgspec

    from flotta.images.errors import ImageError
    from flotta.images.personalise.batch_writing import personalise_all
    from flotta.images.personalise.batches import Wanted, expand
    from flotta.images.personalise.opened_base import Demands
    from flotta.images.personalise.outputs import Output
    from flotta.images.personalise.prepared import BaseFile
    from flotta.images.personalise.removal import remove
    from flotta.images.personalise.reset import reset
    from flotta.images.personalise.results import Result
    from flotta.images.personalise.sources import Source, open_source
    from flotta.images.publication import Ownership
    from flotta.images.settings.fields import invalid
except ImportError as error:
    device_media.import_errors.append(error)  # device_media.run() says so

NETWORK = {
    "interface": {"type": "str"},
    "mac": {"type": "str"},
    "addresses": {"type": "list", "elements": "str"},
    "gateways": {"type": "list", "elements": "str"},
    "dns": {"type": "list", "elements": "str"},
    "vlan": {"type": "int"},
}
WIFI = {
    "ssid": {"type": "str", "required": True},
    "passphrase": {"type": "str", "no_log": True},
    "hidden": {"type": "bool", "default": False},
}
OWN = {
    "certificate": {"type": "str"},
    "certificate_file": {"type": "path"},
    "key": {"type": "str", "no_log": True},
    "key_file": {"type": "path", "no_log": False},
    "batch": {"type": "str"},
    "namespace": {"type": "str"},
    "device_id": {"type": "str"},
    "labels": {"type": "dict"},
    "tags": {"type": "dict"},
    "network": {"type": "list", "elements": "dict", "options": NETWORK},
    "wifi": {"type": "list", "elements": "dict", "options": WIFI},
    "ssh_authorized_keys": {"type": "list", "elements": "str", "no_log": False},
    "state_disk": {"type": "str"},
}
INSTALLER = {
    "disk": {"type": "path"},
    "locale": {"type": "str"},
    "keymap": {"type": "str", "no_log": False},
    "timezone": {"type": "str"},
    "hostname": {"type": "str"},
    "mirror": {"type": "str"},
    "mirror_directory": {"type": "str"},
    "proxy": {"type": "str", "no_log": True},  # it may have a password
    "password_hash": {"type": "str", "no_log": True},
    "packages": {"type": "list", "elements": "str"},
    "power_off": {"type": "bool"},
    "extra": {
        "type": "str",
        "no_log": True,
    },  # passwords and passphrases are among what people answer
    "extra_file": {"type": "path"},
}
SETTINGS = {
    **OWN,
    "server": {"type": "str"},
    "address": {"type": "str"},
    "path_prefix": {"type": "str"},
    "ca": {"type": "str"},
    "ca_file": {"type": "path"},
    "min_validity": {"type": "int"},
    "extra_ca": {"type": "str"},
    "extra_ca_file": {"type": "path"},
    "installer": {"type": "dict", "options": INSTALLER},
    "epoch": {"type": "int"},
}
SPEC = {
    **SETTINGS,
    "state": {"type": "str", "choices": ["present", "reset", "absent"], "default": "present"},
    "medium": {"type": "str", "choices": ["iso", "seed"], "default": "iso"},
    "base": {"type": "path"},
    "checksum": {"type": "str"},
    "architecture": {"type": "str", "choices": ["amd64", "arm64"]},
    "firmware": {"type": "list", "elements": "str", "choices": ["bios", "uefi"]},
    "wheelhouse": {"type": "path"},
    "cache": {"type": "path"},
    "dest": {"type": "path"},
    "outputs": {
        "type": "list",
        "elements": "dict",
        "options": {"dest": {"type": "path", "required": True}, **OWN},
    },
    "mode": {"type": "raw", "default": "0600"},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "force": {"type": "bool", "default": False},
    "thorough": {"type": "bool", "default": False},
    "lock_timeout": {"type": "int", "default": 60},
}


@dataclass(frozen=True)
class Done:
    """What became of one file; `before` and `after` are manifests for the diff."""

    facts: dict[str, Any]
    before: dict[str, Any]
    after: dict[str, Any]


def find_base(parameters: Mapping[str, Any]) -> BaseFile | None:
    """Return the base that the parameters name, None for a seed. Raises ImageError."""
    if parameters["medium"] == "seed":
        return None
    if not parameters["base"]:
        raise invalid("base", "is missing; name the base ISO, or set medium to seed")
    demands = Demands(
        parameters["checksum"], parameters["architecture"] or "", parameters["firmware"]
    )
    cache, wheelhouse = parameters["cache"], parameters["wheelhouse"]
    return BaseFile(
        Path(parameters["base"]),
        demands,
        Path(wheelhouse) if wheelhouse else None,
        Path(cache) if cache else None,
    )


def read_ownership(parameters: Mapping[str, Any]) -> Ownership:
    """Return whose the files are to be. Raises ImageError."""
    try:
        return Ownership(
            device_media.read_mode(parameters["mode"]),
            device_media.user_id(parameters["owner"]),
            device_media.group_id(parameters["group"]),
        )
    except ValueError as error:
        raise invalid("mode, owner or group", f"cannot be used: {error}") from error


def list_paths(parameters: Mapping[str, Any]) -> Sequence[Path]:
    """Return the paths of all files."""
    if parameters["dest"]:
        return [Path(parameters["dest"])]
    return [Path(item["dest"]) for item in parameters["outputs"]]


def write(module: SecretsModule) -> dict[str, Any]:
    """Write what is not up to date; returns the result of the module. Raises ImageError."""
    parameters = module.params
    given = {name: parameters[name] for name in (*SETTINGS, "outputs")}
    ownership, base = read_ownership(parameters), find_base(parameters)
    wanted = expand(given, Path(parameters["dest"]) if parameters["dest"] else None)
    outputs = [make_output(item, ownership, parameters) for item in wanted]
    done: list[Done] = []
    with open_source(base) as source, told(done):
        warnings = {}
        for result in personalise_all(source, outputs, module.check_mode):
            warnings.update(dict.fromkeys(result.warnings))
            done.append(describe(source, result))
        about = {"base": plain(source.opened.record)} if source.opened else {}
    for warning in warnings:
        module.warn(warning)
    return {**about, **conclude(done)}


@contextmanager
def told(done: list[Done]) -> Iterator[None]:
    """Let the module tell what was done if something fails after it."""
    try:
        yield
    except ImageError as error:
        if not done:
            raise
        raise device_media.PartlyDone(error, conclude(done)) from error


def make_output(item: Wanted, ownership: Ownership, parameters: Mapping[str, Any]) -> Output:
    """Return one of the media that are wanted."""
    return Output(
        item.path,
        item.settings,
        ownership,
        force=parameters["force"],
        thorough=parameters["thorough"],
        lock_timeout=parameters["lock_timeout"],
    )


def describe(source: Source, result: Result) -> Done:
    """Return what is told of a file that was written, or is up to date."""
    content, area = result.content, result.area
    after = plain(content.manifest)
    facts = {
        "dest": str(result.path),
        "changed": result.changed,
        "size": result.size,
        "content_id": content.manifest.content_id,
        "payload_sha256": content.payload_sha256,
        "area": {"offset": area.offset, "size": area.size, "used": len(content.payload)},
        "manifest": after,
    }
    return Done(facts, plain(result.before), after)


def plain(value: msgspec.Struct | None) -> dict[str, Any]:
    """Return a struct as a dictionary, an empty one for None."""
    built: dict[str, Any] = {} if value is None else msgspec.to_builtins(value)
    return built


def change(module: SecretsModule, paths: Sequence[Path]) -> dict[str, Any]:
    """Reset or remove files; returns the result of the module. Raises ImageError."""
    done: list[Done] = []
    force, is_reset = module.params["force"], module.params["state"] == "reset"

    def apply(path: Path, check: bool) -> Done:
        before = reset(path, check) if is_reset else remove(path, force, check)
        facts = {"dest": str(path), "changed": before.changed}
        return Done(facts, plain(before.manifest), {})

    checked = [apply(path, check=True) for path in paths]
    if module.check_mode:
        return conclude(checked)
    with told(done):
        done.extend(apply(path, check=False) for path in paths)
    return conclude(done)


def conclude(done: Sequence[Done]) -> dict[str, Any]:
    """Return the result of the module for these files."""
    return {
        "changed": any(item.facts["changed"] for item in done),
        "outputs": [item.facts for item in done],
        "diff": [
            {
                "before_header": item.facts["dest"],
                "after_header": item.facts["dest"],
                "before": item.before,
                "after": item.after,
            }
            for item in done
            if item.facts["changed"]
        ],
    }


def main() -> None:
    """Run the module."""
    module = SecretsModule(
        argument_spec=SPEC,
        supports_check_mode=True,
        mutually_exclusive=[("dest", "outputs")],
        required_one_of=[("dest", "outputs")],
    )

    def work() -> dict[str, Any]:
        if module.params["state"] == "present":
            return write(module)
        return change(module, list_paths(module.params))

    device_media.run(module, work)


if __name__ == "__main__":
    main()
