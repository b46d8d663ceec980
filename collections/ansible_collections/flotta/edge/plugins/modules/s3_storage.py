#!/usr/bin/python
# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: s3_storage
short_description: Keep address and access key of a bucket for devices
version_added: 0.1.0
description:
  - Writes the ConfigMap and the Secret of a bucket that exists on an S3 server of your own. Devices and sets of devices refer to both by
    C(storage.s3) in their specification, and synchronise their files with this bucket then.
  - The bucket is yours. Nothing is read from it or written to it by this module, and it stays when devices leave.
  - Devices that are to have a bucket each, which the control plane creates, do not need this module.
author:
  - flotta.edge contributors (@project-flotta)
options:
  name:
    description:
      - Name of the ConfigMap and of the Secret.
    type: str
    required: true
  namespace:
    description:
      - Namespace of the devices.
    type: str
    default: default
  endpoint:
    description:
      - Address at which devices reach the S3 server, as V(https://HOST) or V(https://HOST:PORT).
      - Required with O(state=present).
    type: str
  bucket:
    description:
      - Name of the bucket.
      - Required with O(state=present).
    type: str
  region:
    description:
      - Region of the bucket.
    type: str
    default: us-east-1
  access_key:
    description:
      - Id of the access key. It may list the bucket, and read, write and delete its objects; it needs no other permission.
      - Required with O(state=present).
    type: str
  secret_key:
    description:
      - The secret of the access key.
      - Required with O(state=present).
    type: str
  ca:
    description:
      - Certificates of the CA of the S3 server, PEM.
      - When omitted, devices trust the CAs of their system.
    type: str
    default: ""
  state:
    description:
      - V(absent) removes both objects. It fails while a device or a set of the namespace refers to one of them.
    type: str
    choices: [present, absent]
    default: present
  force:
    description:
      - With O(state=absent), removes the objects although devices or sets refer to them. These devices keep the storage that they have, and show
        C(misconfigured).
      - With O(state=present), takes over objects of these names that have other keys, which stay.
    type: bool
    default: false
extends_documentation_fragment:
  - flotta.edge.connection
attributes:
  check_mode:
    description: Reports what would change, and fails where the run would fail.
    support: full
  diff_mode:
    description: Shows address, bucket and region. Of the access key and the CA it only says whether they change.
    support: full
  idempotent:
    description: Changes nothing when both objects have these values.
    support: full
notes:
  - A change is delivered to the devices at once.
  - Name the bucket before the device registers. A device that has a bucket claim keeps the bucket of the claim.
seealso:
  - module: flotta.edge.edge_device
  - module: flotta.edge.edge_device_set
"""

EXAMPLES = r"""
- name: Keep the address and the access key of the shops' bucket
  flotta.edge.s3_storage:
    kubeconfig: /etc/flotta/kubeconfig/admin.kubeconfig
    name: shops
    endpoint: https://s3.eu-central-1.amazonaws.com
    bucket: shops
    region: eu-central-1
    access_key: "{{ shops_access_key }}"
    secret_key: "{{ shops_secret_key }}"
  register: storage

- name: Let a till synchronise with it
  flotta.edge.edge_device:
    name: till-1
    spec:
      storage: "{{ storage.storage }}"

- name: Use a server with a certificate of its own CA
  flotta.edge.s3_storage:
    name: lab
    endpoint: https://192.0.2.30:9000
    bucket: lab
    access_key: "{{ lab_access_key }}"
    secret_key: "{{ lab_secret_key }}"
    ca: "{{ lookup('ansible.builtin.file', 'lab-ca.crt') }}"

- name: Remove both objects once no device refers to them
  flotta.edge.s3_storage:
    name: lab
    state: absent
"""

RETURN = r"""
storage:
  description: The section C(storage) of a device or set that uses the bucket.
  type: dict
  returned: with O(state=present)
  contains:
    s3:
      description: Names of the ConfigMap and the Secret.
      type: dict
      returned: always
  sample: {s3: {configMapName: shops, secretName: shops}}
config_map:
  description: Name of the ConfigMap.
  type: str
  returned: success
  sample: shops
secret:
  description: Name of the Secret.
  type: str
  returned: success
  sample: shops
users:
  description: The sets and devices of the namespace that refer to the objects.
  type: list
  elements: str
  returned: with O(state=absent)
  sample: [EdgeDeviceSet tills-north, EdgeDevice till-1]
reason:
  description: Stable code of the refusal of the resource API.
  type: str
  returned: when the module fails and there is one
  sample: Forbidden
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotta.edge.plugins.module_utils import _external_storage as external
from ansible_collections.flotta.edge.plugins.module_utils import _resource_api as api

try:
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.merge_patch import (
        make_merge_patch,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.changes import (
        as_read,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.client import Client
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.kinds import (
        CONFIG_MAP,
        EDGE_DEVICE,
        EDGE_DEVICE_SET,
        SECRET,
        Kind,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.core import (
        KeyedData,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.device_settings import (
        DeviceSettings,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.meta import (
        Manifest,
        ObjectMeta,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.views import (
        is_being_deleted,
        name_of,
        spec_of,
    )
except api.UNUSABLE as error:
    api.import_errors.append(error)  # api.run() says so

NAMED = 5  # devices and sets that a sentence names


@dataclass(frozen=True)
class Parameters(api.Connection):
    """The parameters of the module."""

    name: str
    namespace: str
    endpoint: str | None
    bucket: str | None
    region: str
    access_key: str | None
    secret_key: str | None
    ca: str
    state: str  # present or absent
    force: bool


@dataclass(frozen=True)
class Found:
    """What exists of the ConfigMap and the Secret; None for an object that does not."""

    config_map: KeyedData | None
    secret: KeyedData | None


class WantedStorage:
    """The ConfigMap and the Secret that the parameters name."""

    def __init__(self, module: AnsibleModule, client: Client, parameters: Parameters) -> None:
        self.module, self.client, self.parameters = module, client, parameters
        self.name, self.namespace = parameters.name, parameters.namespace

    async def ensure_present(self) -> Manifest:
        """Write both objects as desired; return the result of the module."""
        wanted = external.check_bucket(
            external.Bucket(
                self.parameters.endpoint or "",
                self.parameters.bucket or "",
                self.parameters.region,
                self.parameters.access_key or "",
                self.parameters.secret_key or "",
                self.parameters.ca,
            )
        )
        found = await self.find()
        self.require_ours(found)
        self.require_staying(found)
        changes = [
            await self.write(CONFIG_MAP, found.config_map, wanted.config_map()),
            await self.write(SECRET, found.secret, wanted.secret()),
        ]
        before = external.describe(data_of(found.config_map), data_of(found.secret))
        after = external.describe(wanted.config_map(), wanted.secret(), data_of(found.secret))
        return {
            "changed": any(changes),
            "storage": {"s3": {"configMapName": self.name, "secretName": self.name}},
            "diff": api.make_diff(before, after) if any(changes) else [],
            **self.names(),
        }

    async def ensure_absent(self) -> Manifest:
        """Remove both objects; return the result of the module."""
        found, users = await self.find(), await self.list_users()
        staying = Found(unless_leaving(found.config_map), unless_leaving(found.secret))
        exists = bool(staying.config_map or staying.secret)
        if exists:
            self.require_ours(staying)
            self.require_unused(users)
        if not self.module.check_mode:
            await self.remove(CONFIG_MAP, staying.config_map)
            await self.remove(SECRET, staying.secret)
        before = external.describe(data_of(staying.config_map), data_of(staying.secret))
        diff = api.make_diff(before, None) if exists else []
        return {"changed": exists, "diff": diff, "users": users, **self.names()}

    async def find(self) -> Found:
        """Return what exists."""
        return Found(
            await self.client.get_or_none(CONFIG_MAP, self.name, self.namespace),
            await self.client.get_or_none(SECRET, self.name, self.namespace),
        )

    def names(self) -> dict[str, str]:
        """Return the part of the result that does not depend on the state."""
        return {"config_map": self.name, "secret": self.name}

    async def list_users(self) -> list[str]:
        """Return the devices and sets that refer to one of the objects."""
        sets = await self.client.list(EDGE_DEVICE_SET, self.namespace)
        devices = await self.client.list(EDGE_DEVICE, self.namespace)
        return [
            *(f"EdgeDeviceSet {name_of(item)}" for item in sets if self.is_named_by(spec_of(item))),
            *(f"EdgeDevice {name_of(item)}" for item in devices if self.is_named_by(spec_of(item))),
        ]

    def is_named_by(self, settings: DeviceSettings) -> bool:
        """Tell whether the specification of a device or set names one of the objects."""
        s3 = (settings.get("storage") or {}).get("s3") or {}
        return self.name in (s3.get("configMapName"), s3.get("secretName"))

    def require_ours(self, found: Found) -> None:
        """Raise ValueError if another program wrote one of the objects, or uses it for something else."""
        for kind, obj, keys in (
            (CONFIG_MAP, found.config_map, external.CONFIG_MAP_KEYS),
            (SECRET, found.secret, external.SECRET_KEYS),
        ):
            if obj is not None:
                self.require_plain(kind.kind, obj, keys)

    def require_staying(self, found: Found) -> None:
        """Raise ValueError if one of the objects is being deleted: what is written to it would vanish."""
        for kind, obj in ((CONFIG_MAP, found.config_map), (SECRET, found.secret)):
            if obj is not None and is_being_deleted(obj):
                raise ValueError(api.LEAVING.format(f"{kind.kind} {self.name}"))

    def require_plain(self, kind: str, obj: KeyedData, keys: Collection[str]) -> None:
        """Raise ValueError unless an object is of nobody else, and has these keys alone."""
        where = f"{kind} {self.name} in namespace {self.namespace}"
        owner = next(iter(obj["metadata"].get("ownerReferences") or ()), None)
        if owner:
            raise ValueError(
                f"{where} belongs to {owner.get('kind')} {owner.get('name')}, which wrote it; choose another name."
            )
        others = sorted({*data_of(obj), *(obj.get("binaryData") or {})} - {*keys})
        if others and not self.parameters.force:
            raise ValueError(
                f"{where} has other keys: {', '.join(others)}. Choose another name, or set force to true if it is for this bucket all the same."
            )

    def require_unused(self, users: Sequence[str]) -> None:
        """Raise ValueError if devices or sets refer to the objects, unless that is to be ignored."""
        if users and not self.parameters.force:
            more = f" and {len(users) - NAMED} more" if len(users) > NAMED else ""
            raise ValueError(
                f"The bucket {self.name} is in use by {', '.join(users[:NAMED])}{more}. Remove storage.s3 from their specification first, or set "
                "force to true."
            )

    async def write(
        self, kind: Kind[KeyedData], existing: KeyedData | None, data: Mapping[str, str]
    ) -> bool:
        """Create the object or change its data, in check mode as a dry run; tell whether it is not as desired."""
        dry_run = self.module.check_mode
        if existing is None:
            metadata: ObjectMeta = {"name": self.name, "namespace": self.namespace}
            created: KeyedData = {"metadata": metadata, "data": dict(data)}
            await self.client.create(kind, created, dry_run=dry_run)
            return True
        keys = external.CONFIG_MAP_KEYS if kind == CONFIG_MAP else external.SECRET_KEYS
        own = {key: text for key, text in data_of(existing).items() if key in keys}
        if own == data:
            return False
        patch = as_read({"data": make_merge_patch(own, data)}, existing)
        await self.client.merge_patch(kind, self.name, self.namespace, patch, dry_run=dry_run)
        return True

    async def remove(self, kind: Kind[KeyedData], existing: KeyedData | None) -> None:
        """Remove the object if it exists, as it was read."""
        if existing is not None:
            metadata = existing["metadata"]
            await self.client.delete(kind, self.name, self.namespace, uid=metadata.get("uid"))


def unless_leaving(obj: KeyedData | None) -> KeyedData | None:
    """Return an object that is not being deleted already, else None."""
    return None if obj is None or is_being_deleted(obj) else obj


def data_of(obj: KeyedData | None) -> dict[str, str]:
    """Return the data of a ConfigMap or Secret, empty for none."""
    return dict((obj.get("data") if obj else None) or {})


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **api.CONNECTION_SPEC,
            "name": {"type": "str", "required": True},
            "namespace": {"type": "str", "default": "default"},
            "endpoint": {"type": "str"},
            "bucket": {"type": "str"},
            "region": {"type": "str", "default": "us-east-1"},
            # An id, which often is a common word: hiding it would hide that word in every result.
            "access_key": {"type": "str", "no_log": False},
            "secret_key": {"type": "str", "no_log": True},
            "ca": {"type": "str", "default": ""},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "force": {"type": "bool", "default": False},
        },
        required_if=[
            ("state", "present", ["endpoint", "bucket", "access_key", "secret_key"]),
        ],
        supports_check_mode=True,
    )
    parameters = Parameters(**module.params)

    async def work(client: Client) -> Manifest:
        storage = WantedStorage(module, client, parameters)
        present = parameters.state == "present"
        return await (storage.ensure_present() if present else storage.ensure_absent())

    api.run(module, parameters, work)


if __name__ == "__main__":
    main()
