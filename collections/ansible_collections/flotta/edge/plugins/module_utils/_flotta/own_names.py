# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/own_names.py: change that.
"""Names of the control plane's own objects, and its port, which several programs share.

They are here because servers whose backend is not the resource API use the names too, and devices
use the port. Other labels, annotations and finalizers, with their writers:
docs/reference/control-plane.md#labels-annotations-and-finalizers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

GROUP = "management.project-flotta.io"  # of our kinds, and the prefix of our annotations
# Of the certificates and the Lease; an installation on Kubernetes may choose another one.
FLOTTA_NAMESPACE = "flotta"
OPERATOR = "flotta-operator"  # Deployment, Lease and component of Events
EDGE_API = "flotta-edge-api"  # Deployment, component of Events, subject for a data store
CA_SECRET = "flotta-ca"  # noqa: S105 - a name
HOST_SECRET = "flotta-host-certificate"  # noqa: S105 - a name
# Which devices a remote data store was allowed to have wiped, and when.
WIPE_GRANTS_SECRET = "flotta-wipe-grants"  # noqa: S105 - a name
ROLLOVER_CONFIG_MAP = "flotta-ca-rollover"  # what an administrator asks of the CA
CERTIFICATES_CONFIG_MAP = "flotta-certificates"  # those of CA and server, without keys
# What nothing else may be called, whether it exists already or not.
OWN_SECRET_NAMES = (
    CA_SECRET,
    HOST_SECRET,
    WIPE_GRANTS_SECRET,
    ROLLOVER_CONFIG_MAP,
    CERTIFICATES_CONFIG_MAP,
)
DEVICE_PORT = 8043  # TCP, at which the Edge API serves devices by default
REGISTRATION_LABEL = "reg-client-ca"  # "true" on each Secret with a registration certificate
OWN_BATCH_PREFIX = f"{REGISTRATION_LABEL}-"  # of the names that `name_registration_secret` makes
REGISTRATION_SELECTOR = f"{REGISTRATION_LABEL}=true"
# "true" on each Secret that asks for the certificate of another server, such as a data store.
SERVER_LABEL = "flotta-server-certificate"
SERVER_SELECTOR = f"{SERVER_LABEL}=true"
SERVER_ERROR_ANNOTATION = f"{GROUP}/server-certificate-error"  # why it was not issued


def name_registration_secret(authority: str, namespaces: str, others: Iterable[str]) -> str:
    """Return the name of a new Secret with a registration certificate.

    `authority` is the CA certificate (PEM), `namespaces` are those of the certificate, joined by
    commas, `others` are the names of existing Secrets of this kind. The name is derived from these
    three, so that writers that start at the same time create one Secret.
    """
    seed = "\n".join([authority, namespaces, *sorted(others)])
    return f"{OWN_BATCH_PREFIX}{hashlib.sha256(seed.encode()).hexdigest()[:10]}"
