"""The ConfigMaps and the Secret with the programs' settings (environment variables)."""

from __future__ import annotations

import base64
import hashlib
import json

from flotta.installation import names
from flotta.installation.metadata import new_object
from flotta.installation.settings import Installation
from flotta.own_names import DEVICE_PORT, EDGE_API, OPERATOR
from flotta.resources.kinds import CONFIG_MAP, SECRET
from flotta.resources.objects.core import ConfigMap, Secret

EVERYWHERE = "0.0.0.0"  # noqa: S104 - the kubelet and Prometheus connect from outside the pod
DRAIN_SECONDS = 5  # seconds until every node knows that a stopping pod takes no new connections
REMOTE_CA_FOLDER = "/etc/flotta/remote-backend"  # in the pod: of the remote store's CA
S3_FOLDER = "/etc/flotta/s3"  # in the pod: where the Secret with the administrator's key is mounted


def edge_api_environment(installation: Installation) -> dict[str, str]:
    """Return the settings of the Edge API."""
    foreign = installation.s3 if installation.provisioner is None else None
    return {
        "BIND_ADDRESS": EVERYWHERE,
        "HTTPS_PORT": str(DEVICE_PORT),
        "METRICS_ADDR": f"{EVERYWHERE}:{names.METRICS_PORT}",
        "LOG_LEVEL": installation.log_level,
        "SERVER_NAMES": ",".join(installation.certificate_names),
        "TLS_LOCALHOST_ENABLED": "true",
        "CLIENT_CERT_EXPIRATION_DAYS": str(installation.device_certificate_days),
        "REGISTRATION_NAMESPACES": ",".join(installation.registration_namespaces),
        "BACKEND": installation.backend,
        **_remote_backend_environment(installation),
        "EDGE_API_DRAIN_SECONDS": str(DRAIN_SECONDS),
        "PROXY_PROTOCOL": _to_text(installation.proxy_protocol),
        # Without it, nodes and balancers hide the addresses of devices.
        "ADDRESS_FAIRNESS": _to_text(installation.proxy_protocol),
        # Claims of our own operator name the endpoint themselves.
        **({"S3_DEVICE_ENDPOINT": foreign.device_endpoint} if foreign else {}),
    }


def _remote_backend_environment(installation: Installation) -> dict[str, str]:
    if installation.backend != "remote":
        return {}
    ca_file = f"{REMOTE_CA_FOLDER}/ca.crt" if installation.remote_backend_ca_pem else ""
    given = {
        "REMOTE_BACKEND_URL": installation.remote_backend_url,
        "REMOTE_BACKEND_TIMEOUT": installation.remote_backend_timeout,
        "REMOTE_BACKEND_CA_FILE": ca_file,
    }
    return {name: value for name, value in given.items() if value}


def operator_environment(installation: Installation) -> dict[str, str]:
    """Return the settings of the operator."""
    chosen = {"BUCKET_STORAGE_CLASS": installation.bucket_storage_class}
    return {
        "PROBE_ADDR": f"{EVERYWHERE}:{names.PROBE_PORT}",
        "METRICS_ADDR": f"{EVERYWHERE}:{names.METRICS_PORT}",
        "LEADER_ELECT": "true",
        "LOG_LEVEL": installation.log_level,
        "AUTO_APPROVAL_PROCESS": _to_text(installation.auto_approval),
        "OBC_AUTO_CREATE": _to_text(installation.makes_buckets),
        "DECOMMISSION_TIMEOUT": str(installation.decommission_timeout),
        "REQUEST_EXPIRY": str(installation.request_expiry),
        "EDGEWORKLOAD_CONCURRENCY": str(installation.edgeworkload_concurrency),
        "MAX_CONCURRENT_RECONCILES": str(installation.max_concurrent_reconciles),
        **{name: value for name, value in chosen.items() if value},
        **_storage_environment(installation),
    }


def _storage_environment(installation: Installation) -> dict[str, str]:
    storage = installation.provisioner
    if storage is None:
        return {}
    device = storage.device_endpoint or storage.endpoint
    given = {
        "S3_DEVICE_ENDPOINT": device,
        "S3_ENDPOINT": storage.endpoint,
        "S3_IAM_ENDPOINT": storage.iam_endpoint,
        "S3_SHARED_KEYS": "true" if storage.shared_keys else "",
        "S3_REGION": storage.region,
        "S3_ADMIN_FILE": S3_FOLDER,
        "S3_CA_FILE": f"{S3_FOLDER}/ca.crt" if storage.ca_pem else "",
    }
    return {name: value for name, value in given.items() if value}


def render_config_maps(installation: Installation) -> list[ConfigMap]:
    """Return a ConfigMap for each program; their names are documented."""
    config_maps = {EDGE_API: names.EDGE_API_CONFIG, OPERATOR: names.OPERATOR_CONFIG}
    return [
        *(
            _render_config_map(installation, name, component)
            for component, name in config_maps.items()
            if component in installation.programs
        ),
        *_render_remote_ca(installation),
    ]


def has_remote_ca(installation: Installation) -> bool:
    """Tell whether the Edge API verifies a remote data store by a CA of the user's."""
    remote = installation.backend == "remote" and EDGE_API in installation.programs
    return remote and bool(installation.remote_backend_ca_pem)


def _render_remote_ca(installation: Installation) -> list[ConfigMap]:
    if not has_remote_ca(installation):
        return []
    config_map = new_object(installation, CONFIG_MAP, names.REMOTE_CA_CONFIG, EDGE_API)
    config_map["data"] = {"ca.crt": installation.remote_backend_ca_pem}
    return [config_map]


def _render_config_map(installation: Installation, name: str, component: str) -> ConfigMap:
    settings = edge_api_environment if component == EDGE_API else operator_environment
    config_map = new_object(installation, CONFIG_MAP, name, component)
    config_map["data"] = settings(installation)
    return config_map


def render_secrets(installation: Installation) -> list[Secret]:
    """Return the Secret with the S3 administrator's access key, if the user set one."""
    storage = installation.provisioner
    if storage is None or not storage.access_key or OPERATOR not in installation.programs:
        return []
    data = {
        "AWS_ACCESS_KEY_ID": storage.access_key,
        "AWS_SECRET_ACCESS_KEY": storage.secret_key,
        "ca.crt": storage.ca_pem,
    }
    encoded = {
        key: base64.b64encode(value.encode()).decode() for key, value in data.items() if value
    }
    secret = new_object(installation, SECRET, names.S3_SECRET, OPERATOR)
    secret["type"] = "Opaque"
    secret["data"] = encoded
    return [secret]


def settings_checksum(installation: Installation, component: str) -> str:
    """Return a digest of what a program reads only when it starts."""
    if component == EDGE_API:
        given = (installation.remote_backend_ca_pem,) if has_remote_ca(installation) else ()
        settings = edge_api_environment(installation)
        read: object = [settings, *given] if given else settings
    else:
        read = [
            operator_environment(installation),
            *(item["data"] for item in render_secrets(installation)),
        ]
    return hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()


def _to_text(value: bool) -> str:
    return "true" if value else "false"
