#!/usr/bin/python
# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: operator
short_description: Install the control plane on Kubernetes
version_added: 0.1.0
description:
  - Installs, changes, upgrades or uninstalls the operator and the Edge API on a Kubernetes cluster, with their RBAC
    permissions, settings and the Service, Ingress or Route by which devices connect.
  - Run the module M(flotta.edge.crds) first, unless O(backend=remote) stores the devices elsewhere. The role P(flotta.edge.operator#role) runs both.
  - Objects that the module created and that are no longer needed are removed. What the Edge API itself created, above
    all its certificate authority, stays as it is unless O(delete_data=true).
author:
  - flotta.edge contributors (@project-flotta)
options:
  state:
    description:
      - Whether the control plane is installed.
      - With V(absent), everything that V(present) created is removed. Devices, workloads, buckets and the certificate
        authority stay, with the namespace that holds it, unless O(delete_data=true).
    type: str
    choices: [present, absent]
    default: present
  components:
    description:
      - Components that are installed, or with the state V(absent) removed; others stay as they are.
      - The data of V(operator) are devices, workloads and buckets, that of V(edge_api) the certificates, where O(delete_data=true)
        removes them.
    type: list
    elements: str
    choices: [edge_api, operator]
    default: [edge_api, operator]
  namespace:
    description:
      - Namespace of the control plane.
      - It is created when it does not exist.
    type: str
    default: flotta
  image:
    description:
      - Container image of the control plane.
      - When omitted, C(localhost/flotta-edge-control-plane) of this release, which must be loaded on every node.
    type: str
  image_pull_policy:
    description:
      - When the nodes pull the image.
    type: str
    choices: [Always, IfNotPresent, Never]
    default: IfNotPresent
  image_pull_secrets:
    description:
      - Names of Secrets with credentials for the registry.
      - The Secrets must exist in O(namespace).
    type: list
    elements: str
    default: []
  edge_api_replicas:
    description:
      - How many Edge API pods run.
      - Any of them can serve any device.
    type: int
    default: 2
  operator_replicas:
    description:
      - How many operator pods run; one of them is the leader.
      - The others take over when the leader fails.
    type: int
    default: 2
  edge_api_resources:
    description:
      - Resource requests and limits of each Edge API pod.
      - Values are quantities of Kubernetes, such as V(100m) or V(128Mi).
    type: dict
    suboptions: &resources
      cpu_request:
        description: CPU request of each pod.
        type: str
        default: 100m
      memory_request:
        description: Memory request of each pod.
        type: str
        default: 128Mi
      cpu_limit:
        description: CPU limit of each pod.
        type: str
        default: "1"
      memory_limit:
        description: Memory limit of each pod.
        type: str
        default: 512Mi
  operator_resources:
    description:
      - Resource requests and limits of each operator pod.
      - Values are quantities of Kubernetes, such as V(100m) or V(128Mi).
    type: dict
    suboptions: *resources
  service_type:
    description:
      - How devices reach the Edge API from outside the cluster.
      - With V(LoadBalancer), the module waits until the load balancer has an address, and adds the address to the
        server certificate.
      - With V(ClusterIP), devices need O(ingress) or O(route), or another way into the cluster that you provide.
    type: str
    choices: [NodePort, LoadBalancer, ClusterIP]
    default: NodePort
  node_port:
    description:
      - Port on every node at which devices reach the Edge API.
      - Used with O(service_type=NodePort) only. It must be free and in the cluster's range of node ports.
    type: int
    default: 30043
  server_names:
    description:
      - Names and addresses at which devices reach the Edge API; its server certificate covers them.
      - The first of them is the host in the returned RV(endpoint).
      - When omitted, the addresses of the nodes with O(service_type=NodePort).
    type: list
    elements: str
    default: []
  registration_namespaces:
    description:
      - Namespaces that the registration certificate of the Edge API allows.
      - The module M(flotta.edge.registration_certificate) issues certificates for others.
    type: list
    elements: str
    default: [default]
  device_certificate_days:
    description:
      - Days for which the certificate of a device is valid; devices renew it in time.
    type: int
    default: 30
  proxy_protocol:
    description:
      - Whether every connection to the Edge API begins with a header of the PROXY protocol, by which a balancer passes on
        the address of the device. Recommended behind every balancer that can send it.
      - The balancer must be set to send it, and the Edge API must be reachable through the balancer only.
    type: bool
    default: false
  backend:
    description:
      - "Where devices are stored: C(crd) is the resource API, C(remote) a data store of your own."
      - With V(remote) and O(components=[edge_api]), the cluster needs neither the operator nor the CRDs of flotta, and the Edge API may read and
        write Secrets and ConfigMaps of O(namespace) only.
    type: str
    choices: [crd, remote]
    default: crd
  remote_backend_url:
    description:
      - "Where the data store of C(BACKEND=remote) serves the Edge Configuration API: C(https://HOST:PORT), with or without the path
        C(/api/flotta-backend/v1); also C(http), which protects nothing and is for a store on the same host."
      - With https, the Edge API shows the certificate in C(client.crt) of the Secret C(flotta-host-certificate), which its own CA issues.
        Required with O(backend=remote).
    type: str
  remote_backend_timeout:
    description:
      - How long the Edge API waits for one response of the remote data store; all attempts of one request together take at most 20 s.
      - A duration such as V(5s), V(500ms) or V(1m30s).
    type: str
    default: 5s
  remote_backend_ca_pem:
    description:
      - CA certificates, PEM, that the certificate of the remote data store is verified with.
      - When omitted, the CA of the Edge API, which also issues certificates for other servers.
    type: str
  auto_approval:
    description:
      - Whether every device that requests to join is approved, whatever its batch says.
      - With V(false), a rule of its registration batch approves a device, as for those that the role P(flotta.edge.device#role) sets
        up, or an administrator with C(flotta approve).
    type: bool
    default: false
  bucket_for_every_device:
    description:
      - Whether each device gets a bucket.
      - When omitted, devices get buckets if O(s3) or O(bucket_storage_class) is set.
    type: bool
  bucket_storage_class:
    description:
      - Storage class of the devices' bucket claims.
      - Claims of another provisioner's class are left to that provisioner.
      - When omitted, flotta's own class, for which the operator creates the buckets on the server of O(s3).
    type: str
  request_expiry:
    description:
      - Seconds after which a request to join is deleted that nobody approved, or whose device has not registered since; V(0) keeps it forever.
      - A device that is still waiting then requests to join again.
    type: int
    default: 2592000
  edgeworkload_concurrency:
    description:
      - How many devices the operator handles at a time.
    type: int
    default: 5
  max_concurrent_reconciles:
    description:
      - How many other objects of a kind the operator handles at a time.
    type: int
    default: 3
  decommission_timeout:
    description:
      - Seconds that a deleted device has to acknowledge its removal; V(0) does not wait.
      - After that, the operator removes what belongs to the device without waiting longer.
    type: int
    default: 300
  s3:
    description:
      - S3 server in which devices get their buckets.
      - The operator creates the buckets if O(s3.iam_endpoint) or O(s3.shared_keys) is set.
      - With the O(bucket_storage_class) of another provisioner, set O(s3.device_endpoint) and nothing else, to say where
        devices reach the buckets of that provisioner.
      - When omitted, the operator creates no buckets.
    type: dict
    suboptions:
      device_endpoint:
        description:
          - Address at which devices reach the S3 server.
          - C(https://HOST:PORT). When omitted, O(s3.endpoint).
        type: str
      endpoint:
        description:
          - Address at which the operator reaches the S3 server; may use http.
          - C(https://HOST:PORT) or C(http://HOST:PORT); without O(s3.device_endpoint) it must be https. When omitted,
            O(s3.device_endpoint).
        type: str
      iam_endpoint:
        description:
          - Address of the server's IAM API, where the operator creates a user and an access key for each bucket.
          - Each device can then use its own bucket only.
        type: str
      shared_keys:
        description:
          - Whether every device gets the administrator's access key, for servers without an IAM API; each device can
            then read and change every bucket.
          - The operator needs either this or O(s3.iam_endpoint) to create buckets.
        type: bool
        default: false
      region:
        description:
          - Region of the buckets.
          - When omitted, V(us-east-1).
        type: str
      access_key:
        description:
          - Access key of the S3 server's administrator.
          - When omitted, create the Secret C(flotta-s3-admin) in O(namespace) yourself, with the keys
            C(AWS_ACCESS_KEY_ID), C(AWS_SECRET_ACCESS_KEY) and, for a private CA, C(ca.crt).
        type: str
      secret_key:
        description:
          - Secret key that belongs to the access key.
          - Take it from a vault, the environment or a file.
        type: str
      ca_pem:
        description:
          - CA of the S3 server's certificate, PEM.
          - It needs O(s3.access_key). When omitted, the CAs that the image trusts.
        type: str
  ingress:
    description:
      - Ingress that passes TLS through to the Edge API.
      - The Ingress controller must support TLS passthrough, as C(ingress-nginx) does with
        C(--enable-ssl-passthrough).
      - When omitted, none is created.
    type: dict
    suboptions:
      host:
        description: Name under which devices connect.
        type: str
        required: true
      class_name:
        description: Class of the Ingress. When omitted, the cluster's default.
        type: str
      annotations:
        description: Further annotations, for other Ingress controllers.
        type: dict
  route:
    description:
      - OpenShift Route that passes TLS through to the Edge API.
      - When omitted, none is created.
    type: dict
    suboptions:
      host:
        description: Name under which devices connect.
        type: str
        required: true
      labels:
        description: Further labels, for routers that select by them.
        type: dict
  network_policy:
    description:
      - NetworkPolicies that let only devices and monitoring connect to the pods.
      - An empty dictionary uses the defaults. When omitted, none is created.
    type: dict
    suboptions:
      device_networks:
        description: Networks from which devices connect, as the pods see them. When omitted, all.
        type: list
        elements: str
      monitoring_namespace:
        description: Namespace from which metrics may be read. When omitted, none.
        type: str
  service_monitor:
    description:
      - ServiceMonitor for the Prometheus operator.
      - An empty dictionary uses the defaults. When omitted, none is created.
    type: dict
    suboptions:
      interval:
        description: Time between two scrapes.
        type: str
        default: 30s
      labels:
        description: Labels by which Prometheus selects the ServiceMonitor.
        type: dict
  log_level:
    description:
      - How much the control plane logs.
    type: str
    choices: [debug, info, warn, error]
    default: info
  wait:
    description:
      - Whether to wait until everything runs, or is removed.
    type: bool
    default: true
  wait_timeout:
    description:
      - Maximum number of seconds to wait.
      - With O(delete_data=true), devices that are offline have O(decommission_timeout) to confirm, so set more than
        that.
    type: int
    default: 300
  delete_data:
    description:
      - "Whether uninstalling also removes all stored data: devices, workloads, certificates and buckets."
      - Used with O(state=absent) only. Devices are decommissioned while the operator still runs, so it needs
        O(wait=true) if O(components) has V(operator).
    type: bool
    default: false
requirements:
  - flotta-edge with the extra C(control-plane), of the same release as this collection; the roles P(flotta.edge.operator#role) and
    P(flotta.edge.programs#role) install it
extends_documentation_fragment:
  - flotta.edge.connection
attributes:
  check_mode:
    description: Reports what would change, as the API server computes it.
    support: full
  diff_mode:
    description: Shows every object before and after. Values of Secrets are not shown.
    support: full
  idempotent:
    description: Changes nothing when all objects are as desired.
    support: full
seealso:
  - module: flotta.edge.crds
  - module: flotta.edge.registration_certificate
"""

EXAMPLES = r"""
- name: Install the control plane, which devices reach at port 30043 of every node
  flotta.edge.operator:
    kubeconfig: ~/.kube/config
    image: registry.example.com/flotta-edge-control-plane:0.1.0
    server_names: [edge.example.com]
  register: control_plane

- name: Show where devices connect
  ansible.builtin.debug:
    var: control_plane.endpoint

- name: Give every device a bucket
  flotta.edge.operator:
    image: registry.example.com/flotta-edge-control-plane:0.1.0
    server_names: [edge.example.com]
    s3:
      device_endpoint: https://s3.example.com:9000
      iam_endpoint: https://s3.example.com:9001
      access_key: "{{ s3_access_key }}"
      secret_key: "{{ s3_secret_key }}"

- name: Install the Edge API alone, with a data store of your own
  flotta.edge.operator:
    components: [edge_api]
    image: registry.example.com/flotta-edge-control-plane:0.1.0
    server_names: [edge.example.com]
    backend: remote
    remote_backend_url: https://store.example.com:8443

- name: Uninstall the operator alone
  flotta.edge.operator:
    state: absent
    components: [operator]

- name: Uninstall the control plane and keep the data of the fleet
  flotta.edge.operator:
    state: absent

- name: Decommission all devices, uninstall the control plane and remove all data
  flotta.edge.operator:
    state: absent
    delete_data: true
    wait_timeout: 600
"""

RETURN = r"""
endpoint:
  description: Host and port at which devices reach the Edge API, empty while a load balancer has no address and without V(edge_api)
    in O(components).
  type: str
  returned: with O(state=present)
  sample: edge.example.com:30043
server_names:
  description: Names and addresses that the server certificate covers.
  type: list
  elements: str
  returned: with O(state=present)
  sample: [edge.example.com, 192.0.2.7]
versions:
  description: Releases and images, now and before. Empty strings stand for nothing.
  type: dict
  returned: success
  contains:
    cluster:
      description: Version of Kubernetes.
      type: str
      returned: with O(state=present)
      sample: v1.36.0
    installed:
      description: Release of the control plane that is installed now. Empty with O(state=absent).
      type: str
      returned: success
      sample: 0.1.0
    image:
      description: Container image of the control plane. Empty with O(state=absent).
      type: str
      returned: success
      sample: registry.example.com/flotta-edge-control-plane:0.1.0
    previous:
      description: Release that was installed before.
      type: str
      returned: success
      sample: 0.1.0
    previous_image:
      description: Container image before.
      type: str
      returned: with O(state=present)
      sample: registry.example.com/flotta-edge-control-plane:0.1.0
kept:
  description: Objects that were not removed because they are data of the fleet.
  type: list
  elements: str
  returned: with O(state=absent)
  sample: [Namespace flotta with Secret flotta/flotta-ca, 2 EdgeDevice]
reason:
  description: Code of what keeps a pod from starting, or of the refusal of the API server.
  type: str
  returned: when the module fails and there is one
  sample: ImagePullBackOff
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotta.edge.plugins.module_utils import _installed_flotta as installed
from ansible_collections.flotta.edge.plugins.module_utils import _programs as programs
from ansible_collections.flotta.edge.plugins.module_utils import _resource_api as api
from ansible_collections.flotta.edge.plugins.module_utils._secret_parameters import SecretsModule

import_errors: list[ImportError] = []
try:
    from flotta.installation.install import InstallOutcome, install
    from flotta.installation.settings import Installation
    from flotta.installation.uninstall import UninstallOutcome, uninstall
    from flotta.resources.client import Client
    from flotta.resources.objects.meta import Manifest
except ImportError as error:
    import_errors.append(error)

RESOURCES = {
    "cpu_request": {"type": "str", "default": "100m"},
    "memory_request": {"type": "str", "default": "128Mi"},
    "cpu_limit": {"type": "str", "default": "1"},
    "memory_limit": {"type": "str", "default": "512Mi"},
}
S3 = {
    "device_endpoint": {"type": "str"},
    "endpoint": {"type": "str"},
    "iam_endpoint": {"type": "str"},
    "shared_keys": {"type": "bool", "default": False, "no_log": False},
    "region": {"type": "str"},
    "access_key": {"type": "str", "no_log": False},
    "secret_key": {"type": "str", "no_log": True},
    "ca_pem": {"type": "str"},
}
INGRESS = {
    "host": {"type": "str", "required": True},
    "class_name": {"type": "str"},
    "annotations": {"type": "dict"},
}
ROUTE = {"host": {"type": "str", "required": True}, "labels": {"type": "dict"}}
NETWORK_POLICY = {
    "device_networks": {"type": "list", "elements": "str"},
    "monitoring_namespace": {"type": "str"},
}
SERVICE_MONITOR = {"interval": {"type": "str", "default": "30s"}, "labels": {"type": "dict"}}
SETTINGS = {
    "namespace": {"type": "str", "default": "flotta"},
    "components": {
        "type": "list",
        "elements": "str",
        "choices": ["edge_api", "operator"],
        "default": ["edge_api", "operator"],
    },
    "image": {"type": "str"},
    "image_pull_policy": {
        "type": "str",
        "choices": ["Always", "IfNotPresent", "Never"],
        "default": "IfNotPresent",
    },
    "image_pull_secrets": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "edge_api_replicas": {"type": "int", "default": 2},
    "operator_replicas": {"type": "int", "default": 2},
    "edge_api_resources": {"type": "dict", "options": RESOURCES},
    "operator_resources": {"type": "dict", "options": RESOURCES},
    "service_type": {
        "type": "str",
        "choices": ["NodePort", "LoadBalancer", "ClusterIP"],
        "default": "NodePort",
    },
    "node_port": {"type": "int", "default": 30043},
    "server_names": {"type": "list", "elements": "str", "default": []},
    "registration_namespaces": {"type": "list", "elements": "str", "default": ["default"]},
    "device_certificate_days": {"type": "int", "default": 30},
    "proxy_protocol": {"type": "bool", "default": False},
    "backend": {"type": "str", "choices": ["crd", "remote"], "default": "crd"},
    "remote_backend_url": {"type": "str"},
    "remote_backend_timeout": {"type": "str", "default": "5s"},
    "remote_backend_ca_pem": {"type": "str"},
    "auto_approval": {"type": "bool", "default": False},
    "bucket_for_every_device": {"type": "bool"},
    "bucket_storage_class": {"type": "str"},
    "decommission_timeout": {"type": "int", "default": 300},
    "edgeworkload_concurrency": {"type": "int", "default": 5},
    "max_concurrent_reconciles": {"type": "int", "default": 3},
    "request_expiry": {"type": "int", "default": 2592000},
    "s3": {"type": "dict", "options": S3},
    "ingress": {"type": "dict", "options": INGRESS},
    "route": {"type": "dict", "options": ROUTE},
    "network_policy": {"type": "dict", "options": NETWORK_POLICY},
    "service_monitor": {"type": "dict", "options": SERVICE_MONITOR},
    "log_level": {"type": "str", "choices": ["debug", "info", "warn", "error"], "default": "info"},
}


@dataclass(frozen=True)
class Parameters(api.Connection):
    """The parameters of the module; those of SETTINGS are kept together, unchanged."""

    state: str  # present or absent
    wait: bool
    wait_timeout: int  # seconds
    delete_data: bool
    namespace: str
    components: list[str]
    settings: Mapping[str, object]  # `Installation.from_parameters` checks them

    @property
    def effective_timeout(self) -> int:
        """Seconds to wait, 0 to not wait."""
        return self.wait_timeout if self.wait else 0


def read_parameters(module: AnsibleModule) -> Parameters:
    """Return the parameters of the module."""
    given = dict(module.params)
    settings = {name: given.pop(name) for name in SETTINGS}
    shared = {name: module.params[name] for name in ("namespace", "components")}
    return Parameters(**given, **shared, settings=settings)


async def ensure_present(module: AnsibleModule, client: Client, parameters: Parameters) -> Manifest:
    """Install or change the control plane as desired; return the result of the module."""
    found = await install(
        client,
        Installation.from_parameters(parameters.settings),
        check_mode=module.check_mode,
        wait_timeout=parameters.effective_timeout,
    )
    for warning in found.warnings:
        module.warn(warning)
    return {
        **describe_changes(found),
        "endpoint": found.endpoint,
        "server_names": list(found.server_names),
        "versions": describe_versions(found),
    }


def describe_versions(found: InstallOutcome) -> dict[str, str]:
    """Return the releases and images, now and before."""
    return {
        "cluster": found.cluster_version,
        "installed": found.version,
        "image": found.image,
        "previous": found.previous_version,
        "previous_image": found.previous_image,
    }


async def ensure_absent(module: AnsibleModule, client: Client, parameters: Parameters) -> Manifest:
    """Uninstall the control plane; return the result of the module."""
    found = await uninstall(
        client,
        parameters.namespace,
        components=parameters.components,
        delete_data=parameters.delete_data,
        check_mode=module.check_mode,
        wait_timeout=parameters.effective_timeout,
    )
    for warning in found.warnings:
        module.warn(warning)
    versions = {"installed": "", "image": "", "previous": found.previous_version}
    return {**describe_changes(found), "kept": found.kept, "versions": versions}


def describe_changes(found: InstallOutcome | UninstallOutcome) -> Manifest:
    """Return `changed` and the differences of the objects."""
    return {
        "changed": bool(found.changes),
        "diff": [change.as_ansible_diff() for change in found.changes],
    }


def main() -> None:
    """Run the module."""
    module = SecretsModule(
        argument_spec={
            **api.CONNECTION_SPEC,
            **SETTINGS,
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "wait": {"type": "bool", "default": True},
            "wait_timeout": {"type": "int", "default": 300},
            "delete_data": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    programs.require_programs(module, import_errors, programs.MISSING)
    parameters = read_parameters(module)

    async def connect(_connection: api.Connection) -> Client:
        return await Client.connect(api.find_kubeconfig(parameters), parameters.context)

    async def work(client: Client) -> Manifest:
        ensure = ensure_present if parameters.state == "present" else ensure_absent
        with installed.own_errors():
            return await ensure(module, client, parameters)

    api.run(module, parameters, work, connect)


if __name__ == "__main__":
    main()
