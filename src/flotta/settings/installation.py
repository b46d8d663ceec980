"""What only an installation is asked: options of the module and inputs of the role `operator`."""

from __future__ import annotations

from flotta.settings.common import KUBECONFIG
from flotta.settings.setting import Choice, FilePath, Flag, Group, Number, Setting, Text, Words

STATE = Choice(
    help="Whether the control plane is installed.",
    values=("present", "absent"),
    default="present",
    option="state",
    role_input="operator_state",
)
COMPONENTS = Words(
    help="Components that are installed, or with the state `absent` removed; others stay as they "
    "are.",
    values=("edge_api", "operator"),
    default=("edge_api", "operator"),
    option="components",
)
# The role can install a data store, too.
ROLE_COMPONENTS = Words(
    help=COMPONENTS.help,
    values=(*COMPONENTS.values, "configuration_api"),
    default=COMPONENTS.default,
    role_input="operator_components",
)
CONFIGURATION_API_LISTEN = Text(
    help="Address at which the configuration API listens.",
    default="127.0.0.1",
    role_input="operator_configuration_api_listen",
)
CONFIGURATION_API_PORT = Number(
    help="Port of the configuration API.",
    default=8053,
    least=1,
    most=65535,
    role_input="operator_configuration_api_port",
)
REMOTE_BACKEND_CA_PEM = Text(
    help="CA certificates, PEM, that the certificate of the remote data store is verified with.",
    default_help="the CA of the Edge API",
    option="remote_backend_ca_pem",
    role_input="operator_remote_backend_ca_pem",
)
ENGINE = Choice(
    help="What serves the resource API: the embedded server on SQLite, or a Kubernetes cluster.",
    values=("embedded", "kubernetes"),
    default="embedded",
    role_input="operator_engine",
)
ADDRESS = Text(
    help="Name or address at which devices reach the Edge API.",
    role_input="operator_address",
    input_default="{{ '' if operator_engine == 'kubernetes' else ansible_host | "
    "default(inventory_hostname) }}",
)
FURTHER_SERVER_NAMES = Words(
    help="Further names and addresses for the server certificates.",
    role_input="operator_server_names",
)
DELETE_DATA = Flag(
    help="Whether uninstalling also removes all stored data: devices, workloads, certificates and "
    "buckets.",
    default=False,
    option="delete_data",
    role_input="operator_delete_data",
)
KUBECONFIG_COPY = FilePath(
    help="File on the controller that gets the administrator's kubeconfig; none is written when "
    "empty.",
    role_input="operator_kubeconfig",
    input_default="",
)
S3_ENVIRONMENT = FilePath(
    help="File on the controller that gets the environment variables of the object storage's "
    "administrator; none is written when empty.",
    role_input="operator_s3_environment",
    input_default="",
)
ADMIN_KUBECONFIG = FilePath(
    help=KUBECONFIG.help,
    default_help="`KUBECONFIG`, else `~/.kube/config`",
    option="kubeconfig",
    role_input="operator_kubernetes_kubeconfig",
    input_default="",
)
CONTEXT = Text(
    help="Context of the kubeconfig.",
    default_help="the current context",
    option="context",
    role_input="operator_kubernetes_context",
)
IMAGE = Text(
    help="Container image of the control plane.",
    option_default_help="`localhost/flotta-edge-control-plane` of this release",
    option="image",
    role_input="operator_image",
)
IMAGE_PULL_POLICY = Choice(
    help="When the nodes pull the image.",
    values=("Always", "IfNotPresent", "Never"),
    default="IfNotPresent",
    option="image_pull_policy",
    role_input="operator_image_pull_policy",
)
IMAGE_PULL_SECRETS = Words(
    help="Names of Secrets with credentials for the registry.",
    option="image_pull_secrets",
    role_input="operator_image_pull_secrets",
)
EDGE_API_REPLICAS = Number(
    help="How many Edge API pods run.",
    default=2,
    least=1,
    most=100,
    option="edge_api_replicas",
    role_input="operator_edge_api_replicas",
)
OPERATOR_REPLICAS = Number(
    help="How many operator pods run; one of them is the leader.",
    default=2,
    least=1,
    most=10,
    option="operator_replicas",
    role_input="operator_replicas",
)
EDGE_API_RESOURCES = Group(
    help="Resource requests and limits of each Edge API pod.",
    option="edge_api_resources",
    role_input="operator_edge_api_resources",
)
OPERATOR_RESOURCES = Group(
    help="Resource requests and limits of each operator pod.",
    option="operator_resources",
    role_input="operator_resources",
)
SERVICE_TYPE = Choice(
    help="How devices reach the Edge API from outside the cluster.",
    values=("NodePort", "LoadBalancer", "ClusterIP"),
    default="NodePort",
    option="service_type",
    role_input="operator_service_type",
)
NODE_PORT = Number(
    help="Port on every node at which devices reach the Edge API.",
    default=30043,
    least=1,
    most=65535,
    option="node_port",
    role_input="operator_node_port",
)
S3 = Group(
    help="S3 server in which devices get their buckets.",
    option="s3",
    role_input="operator_s3",
    input_default={},
)
S3_ACCESS_KEY = Text(
    help="Access key of the S3 server's administrator.",
    default_help="that of the Secret `flotta-s3-admin`, which you create",
    option="s3.access_key",
    role_input="operator_s3.access_key",
)
S3_SECRET_KEY = Text(
    help="Secret key that belongs to the access key.",
    option="s3.secret_key",
    role_input="operator_s3.secret_key",
)
S3_CA_PEM = Text(
    help="CA of the S3 server's certificate, PEM.",
    default_help="the CAs in the image",
    option="s3.ca_pem",
    role_input="operator_s3.ca_pem",
)
INGRESS = Group(
    help="Ingress that passes TLS through to the Edge API.",
    default_help="none",
    option="ingress",
    role_input="operator_ingress",
)
INGRESS_HOST = Text(help="Name under which devices connect.", option="ingress.host", required=True)
INGRESS_CLASS = Text(
    help="Class of the Ingress.", default_help="the cluster's default", option="ingress.class_name"
)
INGRESS_ANNOTATIONS = Group(
    help="Further annotations, for other Ingress controllers.", option="ingress.annotations"
)
ROUTE = Group(
    help="OpenShift Route that passes TLS through to the Edge API.",
    default_help="none",
    option="route",
    role_input="operator_route",
)
ROUTE_HOST = Text(help="Name under which devices connect.", option="route.host", required=True)
ROUTE_LABELS = Group(help="Further labels, for routers that select by them.", option="route.labels")
NETWORK_POLICY = Group(
    help="NetworkPolicies that let only devices and monitoring connect to the pods.",
    default_help="none",
    option="network_policy",
    role_input="operator_network_policy",
)
DEVICE_NETWORKS = Words(
    help="Networks from which devices connect, as the pods see them.",
    default_help="all",
    option="network_policy.device_networks",
)
MONITORING_NAMESPACE = Text(
    help="Namespace from which metrics may be read.",
    default_help="none",
    option="network_policy.monitoring_namespace",
)
SERVICE_MONITOR = Group(
    help="ServiceMonitor for the Prometheus operator.",
    default_help="none",
    option="service_monitor",
    role_input="operator_service_monitor",
)
SCRAPE_INTERVAL = Text(
    help="Time between two scrapes.", default="30s", option="service_monitor.interval"
)
SERVICE_MONITOR_LABELS = Group(
    help="Labels by which Prometheus selects the ServiceMonitor.", option="service_monitor.labels"
)
WAIT = Flag(
    help="Whether to wait until everything runs, or is removed.", default=True, option="wait"
)
WAIT_TIMEOUT = Number(
    help="Maximum number of seconds to wait.",
    default=300,
    unit="seconds",
    most=10**7,
    option="wait_timeout",
    role_input="operator_wait_timeout",
    input_default=180,
)


CPU_REQUEST, MEMORY_REQUEST, CPU_LIMIT, MEMORY_LIMIT = "100m", "128Mi", "1", "512Mi"


def _resources(option: str, role_input: str) -> tuple[Setting[str], ...]:
    """Return what a pod requests and may use, in Kubernetes' quantities."""
    values = (
        ("cpu_request", "CPU request of each pod.", CPU_REQUEST),
        ("memory_request", "Memory request of each pod.", MEMORY_REQUEST),
        ("cpu_limit", "CPU limit of each pod.", CPU_LIMIT),
        ("memory_limit", "Memory limit of each pod.", MEMORY_LIMIT),
    )
    return tuple(
        Text(
            help=text,
            default=default,
            option=f"{option}.{name}",
            role_input=f"{role_input}.{name}",
            input_default="",
        )
        for name, text, default in values
    )


# `flotta manifests` asks no cluster, so its file says what the module finds out itself.
MANIFESTS: tuple[Setting[object], ...] = (
    Text(
        help="Release in the label `app.kubernetes.io/version`.",
        default_help="the installed one",
        key="version",
    ),
    Flag(
        help="Whether OpenShift Data Foundation is installed; the Edge API then reads its Route.",
        default=False,
        key="openshift",
    ),
    Flag(
        help="Whether the cluster chooses the user ids of pods, as OpenShift does.",
        default=False,
        key="assigned_users",
    ),
)
INSTALLATION: tuple[Setting[object], ...] = (
    STATE,
    COMPONENTS,
    ROLE_COMPONENTS,
    REMOTE_BACKEND_CA_PEM,
    CONFIGURATION_API_LISTEN,
    CONFIGURATION_API_PORT,
    ENGINE,
    ADDRESS,
    FURTHER_SERVER_NAMES,
    DELETE_DATA,
    KUBECONFIG_COPY,
    S3_ENVIRONMENT,
    ADMIN_KUBECONFIG,
    CONTEXT,
    IMAGE,
    IMAGE_PULL_POLICY,
    IMAGE_PULL_SECRETS,
    EDGE_API_REPLICAS,
    OPERATOR_REPLICAS,
    EDGE_API_RESOURCES,
    *_resources("edge_api_resources", "operator_edge_api_resources"),
    OPERATOR_RESOURCES,
    *_resources("operator_resources", "operator_resources"),
    SERVICE_TYPE,
    NODE_PORT,
    S3,
    S3_ACCESS_KEY,
    S3_SECRET_KEY,
    S3_CA_PEM,
    INGRESS,
    INGRESS_HOST,
    INGRESS_CLASS,
    INGRESS_ANNOTATIONS,
    ROUTE,
    ROUTE_HOST,
    ROUTE_LABELS,
    NETWORK_POLICY,
    DEVICE_NETWORKS,
    MONITORING_NAMESPACE,
    SERVICE_MONITOR,
    SCRAPE_INTERVAL,
    SERVICE_MONITOR_LABELS,
    WAIT,
    WAIT_TIMEOUT,
)
