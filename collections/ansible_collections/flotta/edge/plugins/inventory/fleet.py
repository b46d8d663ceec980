# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The devices of a fleet as hosts, read from the resource API."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet
short_description: Devices of a fleet, from the resource API
version_added: 0.2.0
description:
  - Reads the EdgeDevices of a control plane, on Kubernetes or with the embedded resource API, and makes each a host of the group
    C(flotta_devices), so that roles and playbooks of this collection run on them.
  - Groups of its own are C(set_NAME), C(label_KEY_VALUE), C(phase_PHASE), C(state_STATE), C(workload_NAME) and C(namespace_NAME). What is
    neither a letter nor a digit becomes C(_) in them.
  - The variable C(flotta_device) of a host has what the control plane knows about the device. C(device_id) and C(device_namespace) are
    the inputs with which P(flotta.edge.device#role) finds it again.
  - Labels, hardware and phases are written by devices. None of that is ever a template, whatever it contains, and no device becomes a host
    that another source has. Only where another source has a host of C(flotta_devices) with the same C(device_id) and C(device_namespace),
    that host is the device. It gets the groups and what variables it does not have, except C(ansible_host).
author:
  - flotta.edge contributors (@project-flotta)
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
requirements:
  - Python 3.11 or newer on the controller
  - kubernetes
notes:
  - The name of the file ends with C(.flotta.yml) or C(.flotta.yaml).
  - The TLS certificate of the resource API is verified with the CA of the kubeconfig.
  - Ansible reads several sources in the order in which they are named, those of a directory in alphabetical order. Let this one be the last,
    so that the names and addresses of other hosts are known, and call it like C(zz-fleet.flotta.yml).
  - Options are no templates.
  - A source that fails is a warning of Ansible only, and the run goes on without its hosts. With C(any_unparsed_is_failed = true) in the section
    C([inventory]) of C(ansible.cfg), it ends the run.
options:
  plugin:
    description: Marks the file as one of this plugin.
    type: str
    required: true
    choices: [flotta.edge.fleet]
  kubeconfig:
    description:
      - Kubeconfig with the address of the resource API and the identity to use there. A relative path begins at the directory of the file.
        C(~) and environment variables are replaced.
      - When omitted, E(KUBECONFIG), else C(~/.kube/config), else C(/etc/flotta/kubeconfig/admin.kubeconfig), else the service account of
        the pod in which Ansible runs.
      - It needs the permission to list EdgeDevices, and EdgeDeviceSignedRequests in the namespace C(default) with O(requests=true).
    type: str
  context:
    description:
      - Context of the kubeconfig.
      - When omitted, the current context.
    type: str
  namespaces:
    description:
      - Namespaces of the devices.
      - When omitted, all namespaces, for which the permission has to be one of the cluster.
    type: list
    elements: str
    default: []
  label_selector:
    description:
      - Only devices with these labels, as for C(kubectl get --selector).
    type: str
  field_selector:
    description:
      - Only devices with these fields, as for C(kubectl get --field-selector). The API supports C(metadata.name) and C(metadata.namespace).
    type: str
  states:
    description:
      - Only devices in these states, which are those of C(flotta status).
      - When omitted, devices in all states, also those that are offline, quarantined or leaving.
    type: list
    elements: str
    choices:
      - degraded
      - joining
      - leaving
      - misconfigured
      - not ready
      - offline
      - quarantined
      - ready
      - unknown
      - wipe held
      - withheld
      - without storage
    default: []
  requests:
    description:
      - Whether devices that wait for approval are hosts of the group C(flotta_requests). Their variable C(flotta_request) has the request.
      - They are called C(request_NAMESPACE_NAME), have no C(ansible_host), and are not in C(flotta_devices), because nobody trusts them yet.
        Run tasks about them on another host.
    type: bool
    default: false
  hostname:
    description:
      - How devices are called. V(namespaced) is C(NAMESPACE_NAME), V(name) is the name of the EdgeDevice.
      - With V(name), a device that is called like one of another namespace, like a host of another source or like a group is called
        C(NAMESPACE_NAME), with a warning. Names of sources that come later are not known.
      - A device whose name is not free either is left out, with a warning.
    type: str
    choices: [name, namespaced]
    default: namespaced
  hostname_prefix:
    description:
      - Text before the name of each device, for instance where a second fleet has devices of the same names.
    type: str
    default: ""
  address_networks:
    description:
      - Networks in which the controller reaches devices, the preferred one first. C(ansible_host) is the first address of the device in the
        first network that has one.
      - Addresses are what the device reported, without loopback, link-local, translated and multicast addresses and interfaces of containers.
        All of them, in the order in which they count, are C(flotta_device.addresses).
      - An address that another device reports as well, or that a host of another source or the resource API has, is left out with a warning.
      - A device without such an address has an C(ansible_host) in C(no-address.invalid), which nothing resolves. With an empty list,
        C(ansible_host) is not set, and Ansible connects to the name of the host.
      - O(compose) can set it to anything else. Take no hardware for that, because a device may report any.
    type: list
    elements: str
    default: ["0.0.0.0/0", "::/0"]
  group_by:
    description:
      - Which groups there are, besides C(flotta_devices) and those of O(groups) and O(keyed_groups).
      - A device is in no group of another source because of its phase or of a label C(device.*), which it reports itself.
    type: list
    elements: str
    choices: [set, label, phase, state, workload, namespace]
    default: [set, label, phase, state, workload, namespace]
  label_groups:
    description:
      - Keys of labels for which there is a group for each value. Shell patterns; one that begins with C(!) leaves out what it matches.
      - With an empty list there are no groups of labels. With patterns that leave out only, there are groups of all other labels.
      - The labels C(flotta/member-of) and C(workload/NAME) have none, because C(set_NAME) and C(workload_NAME) say the same.
    type: list
    elements: str
    default: ["*", "!device.hostname", "!device.system-serial"]
  hardware:
    description:
      - Parts of the hardware report that hosts have in C(flotta_device.hardware). The flags of a CPU are left out, and so is a part of unusual
        size.
    type: list
    elements: str
    choices: [hostname, boot, cpu, memory, systemVendor, interfaces, disks, gpus, hostDevices, mounts]
    default: [hostname, cpu, memory, systemVendor, interfaces]
  control_plane_host:
    description:
      - Name of a host that becomes the one in the group C(flotta_control_plane). Its variables belong to C(host_vars) or another source.
      - No device gets this name, and it is not the name of a group.
    type: str
"""

EXAMPLES = r"""
# zz-fleet.flotta.yml: all devices that the kubeconfig shows
plugin: flotta.edge.fleet

# Tills of two namespaces, reached by their addresses in the network of the shops
---
plugin: flotta.edge.fleet
kubeconfig: ~/.kube/shops
namespaces: [north, south]
label_selector: role=till
address_networks: [10.20.0.0/16]

# A control plane beside the devices, and a cache for ten minutes
---
plugin: flotta.edge.fleet
kubeconfig: admin.kubeconfig
control_plane_host: control-plane.example.com
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/flotta-edge/inventory  # after: install -d -m 700 ~/.cache/flotta-edge/inventory
cache_timeout: 600

# Groups and variables of your own
---
plugin: flotta.edge.fleet
hostname: name
group_by: [set, state]
compose:
  ansible_host: device_id ~ ".shops.example.com"
groups:
  small: flotta_device.hardware.memory.physicalBytes < 1073741824
keyed_groups:
  - key: flotta_device.hardware.cpu.architecture
    prefix: arch

# Requests that wait for approval, for a playbook that approves them
---
plugin: flotta.edge.fleet
requests: true
"""

import asyncio
import contextlib
import gc
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ansible import constants
from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible_collections.flotta.edge.plugins.module_utils import _resource_api as api
from ansible_collections.flotta.edge.plugins.plugin_utils import (
    _fleet_addresses,
    _fleet_constructed,
    _fleet_groups,
    _fleet_kubeconfig,
    _fleet_names,
    _fleet_others,
    _fleet_records,
)

import_errors: list[Exception] = []
try:
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.fleet.joining import (
        REQUEST_NAMESPACE,
        code_of,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.fleet.registration_batches import (
        APPROVAL_WITHHELD_ANNOTATION,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.fleet.status import (
        WAITING_STATE,
        device_state,
        request_state,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.printable_text import (
        printable_lines,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.client import (
        ApiError,
        Client,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.kinds import (
        EDGE_DEVICE,
        SIGNED_REQUEST,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.devices import (
        EdgeDevice,
        SignedRequest,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.views import (
        annotations_of,
    )
except api.UNUSABLE as error:
    import_errors.append(error)

DEVICES = "flotta_devices"
REQUESTS = "flotta_requests"
CONTROL_PLANE = "flotta_control_plane"
Record = _fleet_records.Record


class Question(NamedTuple):
    """What the resource API is asked for, and what is taken of its answer: all on which the cache depends."""

    kubeconfig: str | None  # path, None for the service account of the pod
    identity: str  # differs for other servers and users
    servers: tuple[str, ...]  # host names and addresses of API servers
    context: str | None
    namespaces: tuple[str, ...]  # () for all
    label_selector: str | None
    field_selector: str | None
    requests: bool
    hardware: tuple[str, ...]

    def digest(self) -> str:
        """Return a text that differs for every question."""
        return hashlib.sha256(json.dumps(self).encode()).hexdigest()[:16]


class Found(NamedTuple):
    """Records of devices, and of requests that wait for approval."""

    devices: list[Record]
    requests: list[Record]


@dataclass
class PlannedHost:
    """A host before it is in the inventory; `declared` tells that another source made it."""

    record: Record
    group: str
    variables: dict[str, Any]
    groups: list[str]
    name: str = ""
    declared: bool = False
    all_variables: dict[str, Any] = field(default_factory=dict)  # with address and composed ones
    constructed: _fleet_constructed.Constructed = field(init=False)


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """The inventory of a fleet."""

    NAME = "flotta.edge.fleet"
    inventory: Any  # InventoryData, in `_construct` what stands for it

    def verify_file(self, path: str) -> bool:
        """Tell whether a file is one of this plugin, by its name."""
        return bool(super().verify_file(path)) and path.endswith((".flotta.yml", ".flotta.yaml"))

    def parse(
        self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True
    ) -> None:
        """Add the devices of the fleet that this file names; raises AnsibleParserError with a sentence."""
        super().parse(inventory, loader, path, cache)
        given = self._read_config_data(path)
        try:
            self._check_options(given)
            if errors := [*api.import_errors, *import_errors]:
                raise ValueError(describe_missing(errors[0]))
            question = self._question(path)
            with garbage_kept():
                self._add(self._find(path, question, cache), question)
        except ValueError as error:  # not `from` it, or Ansible says both
            raise AnsibleParserError(printable_lines(str(error))) from None

    def _check_options(self, given: Mapping[str, Any]) -> None:
        """Refuse options that do not exist: without a selector that is misspelt, all devices would be hosts."""
        unknown = [str(key) for key in given if not self.has_option(key)]
        if unknown:
            raise ValueError(
                f"There is no option {', '.join(unknown)}. ansible-doc -t inventory {self.NAME} has all options."
            )

    def _find(self, path: str, question: Question, cache: bool) -> Found:
        """Return what there is, from the cache if it is used and has it."""
        key = f"{self.get_cache_key(path)}_{question.digest()}"
        caches = self.get_option("cache")
        if caches and cache:
            known = _fleet_records.read_cached(self._cache.get(key))
            if known:
                return Found(*known)
        found = ask(question)
        if caches:
            self._cache[key] = json.dumps(
                found
            )  # as text, or a cache plugin would look at each value
        return found

    def _question(self, path: str) -> Question:
        given = self.get_option("kubeconfig")
        if given:
            file = os.path.expanduser(os.path.expandvars(given))
            given = os.path.join(os.path.dirname(os.path.abspath(path)), file)
        kubeconfig = api.find_kubeconfig(api.Connection(given, self.get_option("context")))
        contents = _fleet_kubeconfig.read_kubeconfig(kubeconfig)
        return Question(
            kubeconfig=kubeconfig,
            identity=_fleet_kubeconfig.digest_of(contents),
            servers=tuple(sorted(_fleet_kubeconfig.servers_of(contents))),
            context=self.get_option("context"),
            namespaces=tuple(self.get_option("namespaces")),
            label_selector=self.get_option("label_selector"),
            field_selector=self.get_option("field_selector"),
            requests=self.get_option("requests"),
            hardware=tuple(self.get_option("hardware")),
        )

    def _add(self, found: Found, question: Question) -> None:
        """Add hosts and groups, and warn about what is not as one may expect."""
        networks = _fleet_addresses.parse_networks(self.get_option("address_networks"))
        others = _fleet_others.Others(self.inventory, DEVICES, question.servers)
        self._add_fixed_groups(others)
        devices, same = self._select(found.devices, others)
        addresses = _fleet_addresses.Addresses(found.devices, networks, others.addresses)
        groups = self._group_names(others)
        hosts = [
            PlannedHost(record, DEVICES, device_variables(record), groups.of(record))
            for record in devices
        ]
        hosts += [
            PlannedHost(record, REQUESTS, {"flotta_request": without_templates(record)}, [])
            for record in found.requests
        ]
        planned, names = self._plan(hosts, others, addresses)
        for host in planned:
            self._add_host(host)
        for warning in (
            *_fleet_names.warnings(names),
            *_fleet_groups.warnings(groups),
            *_fleet_addresses.warnings(addresses),
            *_fleet_others.warnings(same),
            *describe_unused(question, found),
        ):
            self.display.warning(printable_lines(warning))

    def _add_fixed_groups(self, others: _fleet_others.Others) -> None:
        for group in (DEVICES, *([REQUESTS] if self.get_option("requests") else ())):
            others.names.add(self.inventory.add_group(group))
        plane = self.get_option("control_plane_host")
        if not plane:
            return
        if plane in {*self.inventory.groups, CONTROL_PLANE}:
            raise ValueError(
                f"control_plane_host is {plane}, which is the name of a group. Name a host."
            )
        self.inventory.add_host(plane, group=self.inventory.add_group(CONTROL_PLANE))
        others.names |= {plane, CONTROL_PLANE}
        others.declared = {key: host for key, host in others.declared.items() if host != plane}

    def _select(
        self, records: list[Record], others: _fleet_others.Others
    ) -> tuple[list[Record], list[tuple[str, str]]]:
        """Return the devices that become hosts, and those that another source of the same fleet has, with their hosts there."""
        states = self.get_option("states")
        wanted = [item for item in records if not states or item["state"] in states]
        same = [item for item in wanted if item["uid"] in others.uids]
        left = [item for item in wanted if item["uid"] not in others.uids] if same else wanted
        return left, [(_fleet_addresses.called(item), others.uids[item["uid"]]) for item in same]

    def _group_names(self, others: _fleet_others.Others) -> _fleet_groups.GroupNames:
        own = {self._sanitize_group_name(name) for name in self.get_option("groups") or ()}
        others.names |= own
        return _fleet_groups.GroupNames(
            self.get_option("group_by"), self.get_option("label_groups"), others.groups | own
        )

    def _plan(
        self,
        hosts: list[PlannedHost],
        others: _fleet_others.Others,
        addresses: _fleet_addresses.Addresses,
    ) -> tuple[list[PlannedHost], _fleet_names.HostNames]:
        """Return the hosts to add, with names that are not those of anything else, and what gave the names.

        Keyed groups may have the name of a host as well, and may depend on it. Who is called so is named again, and left out at last.
        """
        taken = {*others.names, *constants.LOCALHOST}
        taken.update(*(host.groups for host in hosts))
        while True:
            names = self._host_names(hosts, taken)
            addresses.refused.clear()
            planned = [host for host in hosts if self._prepare(host, names, others, addresses)]
            made = set().union(*(host.constructed.names for host in planned))
            own = {host.name for host in planned if not host.declared}
            if made.isdisjoint(own):
                return planned, names
            taken |= made

    def _host_names(self, hosts: list[PlannedHost], taken: set[str]) -> _fleet_names.HostNames:
        return _fleet_names.HostNames(
            (host.record for host in hosts if host.group == DEVICES),
            self.get_option("hostname") == "namespaced",
            self.get_option("hostname_prefix"),
            taken,
        )

    def _prepare(
        self,
        host: PlannedHost,
        names: _fleet_names.HostNames,
        others: _fleet_others.Others,
        addresses: _fleet_addresses.Addresses,
    ) -> bool:
        """Give a host its name, address and composed values; returns False if no name is free."""
        variables = dict(host.variables)
        if host.group == REQUESTS:
            name = names.of_request(host.record)
        else:
            key = host.record["namespace"], host.record["name"]
            name = others.declared.get(key)
            host.declared = name is not None
            name = name or names.of(host.record)
            address = addresses.of(host.record, name) if name and not host.declared else None
            if address:
                variables["ansible_host"] = address
        if name is None:
            return False
        host.name = name
        if host.declared:  # what another source says about its own host counts
            given = self.inventory.hosts[name].get_vars()
            variables = {key: value for key, value in variables.items() if key not in given}
            host.constructed = self._construct(name, {**variables, **given})
            composed = host.constructed.variables
            variables |= {key: value for key, value in composed.items() if key not in given}
        else:
            magic = {"inventory_hostname": name, "inventory_hostname_short": name.split(".")[0]}
            host.constructed = self._construct(name, {**variables, **magic})
            variables |= host.constructed.variables
        host.all_variables = variables
        return True

    def _construct(self, name: str, variables: dict[str, Any]) -> _fleet_constructed.Constructed:
        """Return the variables and groups that the user composed for a host."""
        constructed = _fleet_constructed.Constructed(name, variables)
        compose, groups, keyed = (
            self.get_option(option) for option in ("compose", "groups", "keyed_groups")
        )
        if not compose and not groups and not keyed:
            return constructed
        strict, inventory, variables = self.get_option("strict"), self.inventory, dict(variables)
        self.inventory = constructed
        try:
            self._set_composite_vars(compose, variables, name, strict=strict)
            self._add_host_to_composed_groups(groups, variables, name, strict=strict)
            self._add_host_to_keyed_groups(keyed, variables, name, strict=strict)
        finally:
            self.inventory = inventory
        return constructed

    def _add_host(self, planned: PlannedHost) -> None:
        self.inventory.add_host(planned.name, group=planned.group)
        host, composed = self.inventory.hosts[planned.name], planned.constructed.variables
        # Not by the method of the inventory, which since ansible-core 2.19 spends 1 ms on notes of where each text comes from.
        own = {
            key: planned.all_variables[key] for key in planned.all_variables if key not in composed
        }
        host.vars.update(own)
        for key in planned.all_variables.keys() - own.keys():
            self.inventory.set_variable(planned.name, key, composed[key])
        known = self.inventory.groups  # once: Ansible wraps each access
        for name in (*planned.groups, *planned.constructed.groups):
            (known.get(name) or self._new_group(name)).add_host(host)
        for name, child in planned.constructed.parents:
            parent = known.get(name) or self._new_group(name)
            parent.add_child_group(known[child])

    def _new_group(self, name: str) -> Any:
        return self.inventory.groups[self.inventory.add_group(name)]


def device_variables(record: Record) -> dict[str, Any]:
    """Return the variables of a device, except its address."""
    record = without_templates(record)
    return {
        "flotta_device": record,
        "device_id": record["name"],
        "device_namespace": record["namespace"],
    }


def describe_unused(question: Question, found: Found) -> list[str]:
    """Return a sentence about namespaces in which nothing was found, if there are some."""
    known = {record["namespace"] for records in found for record in records}
    empty = [namespace for namespace in question.namespaces if namespace not in known]
    if not empty:
        return []
    return [
        f"No device was found in {', '.join(empty)}. Check namespaces and the selectors of the inventory file."
    ]


@contextlib.contextmanager
def garbage_kept() -> Iterator[None]:
    """Do not look for garbage meanwhile.

    Objects of a large fleet have no cycles, and looking through all of them again and again takes as long as everything else here.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def without_templates(record: Record) -> Record:
    """Return a record of which Ansible evaluates no text.

    Since ansible-core 2.19 that is so for all text which is not marked as a template; before, each text is marked as none. Keys are names
    that Kubernetes admits, which no template is.
    """
    if hasattr(BaseInventoryPlugin, "trusted_by_default"):
        return record
    from ansible.utils.unsafe_proxy import AnsibleUnsafeText  # noqa: PLC0415 - later releases deprecate it

    def marked(value: Any) -> Any:
        if type(value) is str:  # pylint: disable=unidiomatic-typecheck # one that is marked is another type
            return AnsibleUnsafeText(value)
        if isinstance(value, dict):
            return {key: marked(inner) for key, inner in value.items()}
        return [marked(inner) for inner in value] if isinstance(value, list) else value

    return {key: marked(value) for key, value in record.items()}


def describe_missing(error: Exception) -> str:
    """Return what is missing on the controller, and how to install it."""
    if sys.version_info < (3, 11):
        return f"flotta.edge.fleet needs Python 3.11 or newer, and Ansible runs in {sys.version.split()[0]}. Install Ansible in a newer one."
    return (
        f"flotta.edge.fleet needs the Python package kubernetes on the controller ({error}). "
        f"Run {sys.executable} -m pip install kubernetes."
    )


def ask(question: Question) -> Found:
    """Ask the resource API. Raises ValueError with a sentence."""
    connection = api.Connection(question.kubeconfig, question.context)
    try:
        found = Found([], [])
        # Not as the result of the task: asyncio makes text of all of it, only to look whether it is the name of a signal.
        asyncio.run(_fetch(question, found))
        return found
    except ApiError as error:
        raise ValueError(api.describe_error(error, connection)) from None


async def _fetch(question: Question, found: Found) -> None:
    """Add the records of devices, and of requests that wait for approval, to what was found."""
    async with await Client.connect(question.kubeconfig, question.context) as client:
        for namespace in question.namespaces or (None,):
            pages = client.pages(
                EDGE_DEVICE,
                namespace,
                label_selector=question.label_selector,
                field_selector=question.field_selector,
            )
            async for page, _version in pages:
                found.devices.extend(_device_record(device, question) for device in page)
        asked = await client.list(SIGNED_REQUEST, REQUEST_NAMESPACE) if question.requests else ()
    wanted = question.namespaces
    waiting = (item for item in asked if request_state(item) == WAITING_STATE)
    records = [_request_record(request, question) for request in waiting]
    found.requests.extend(item for item in records if not wanted or item["namespace"] in wanted)


def _device_record(device: EdgeDevice, question: Question) -> Record:
    return _fleet_records.device_record(device, device_state(device), question.hardware)


def _request_record(request: SignedRequest, question: Question) -> Record:
    withheld = annotations_of(request).get(APPROVAL_WITHHELD_ANNOTATION, "")
    return _fleet_records.request_record(request, code_of(request), withheld, question.hardware)
