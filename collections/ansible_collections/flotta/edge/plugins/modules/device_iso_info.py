#!/usr/bin/python
# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: device_iso_info
short_description: Read what an ISO is and carries
version_added: 0.1.0
description:
  - Returns how an ISO boots, of what base it is, and the settings in it without their secrets. It reads ISOs from elsewhere too.
author:
  - flotta.edge contributors (@project-flotta)
options:
  path:
    description:
      - Path of the ISO or seed.
    type: path
    required: true
attributes:
  check_mode:
    description: Changes nothing.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
requirements:
  - flotta-edge with the extra C(images), as the role P(flotta.edge.programs#role) installs it
seealso:
  - module: flotta.edge.device_iso
"""

EXAMPLES = r"""
- name: Look for ISOs
  ansible.builtin.find:
    paths: /srv/images
    patterns: "*.iso"
  register: found

- name: Read what they carry
  flotta.edge.device_iso_info:
    path: "{{ item.path }}"
  loop: "{{ found.files }}"
  loop_control:
    label: "{{ item.path }}"
  register: images

- name: Remove those whose certificate has expired
  flotta.edge.device_iso:
    dest: "{{ item.iso.path }}"
    state: absent
  loop: "{{ images.results | selectattr('iso.expired', 'defined') | selectattr('iso.expired') }}"
  loop_control:
    label: "{{ item.iso.path }}"
"""

RETURN = r"""
iso:
  description: What the file is.
  type: dict
  returned: success
  contains:
    path:
      description: Path of the file.
      type: str
      returned: always
    size:
      description: Bytes of the file.
      type: int
      returned: always
    volumeID:
      description: Name of the volume.
      type: str
      returned: always
    kind:
      description: The system on it, such as V(flotta-live), or V(seed), or V(foreign).
      type: str
      returned: always
    area:
      description: The area for settings. Its C(state) is V(absent), V(pristine), V(personalised) or V(damaged).
      type: dict
      returned: always
    boot:
      description: Boot images, with C(firmware), C(offset) and C(size).
      type: list
      elements: dict
      returned: always
    base:
      description: What the base is, such as C(release), C(suite), C(architecture) and C(contentID).
      type: dict
      returned: for an ISO of a base
    manifest:
      description: What is on the medium, without secrets.
      type: dict
      returned: when it is personalised
    expired:
      description: Whether the registration certificate has expired.
      type: bool
      returned: when it is personalised
reason:
  description: Code of what went wrong.
  type: str
  returned: failure
  sample: BaseNotISO
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotta.edge.plugins.module_utils import _device_media as device_media

try:
    import msgspec

    from flotta.images.personalise.show import show
except ImportError as error:
    device_media.import_errors.append(error)  # device_media.run() says so


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"path": {"type": "path", "required": True}}, supports_check_mode=True
    )

    def work() -> dict[str, Any]:
        shown = msgspec.to_builtins(show(Path(module.params["path"])))
        return {"changed": False, "iso": shown}

    device_media.run(module, work)


if __name__ == "__main__":
    main()
