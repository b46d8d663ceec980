"""Names of the control plane's own objects, and its port: what several programs agree on.

Here, because servers that keep the objects elsewhere than in the resource API use the names too,
and devices the port.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

# Of the certificates and the Lease; an installation on Kubernetes may choose another one.
FLOTTA_NAMESPACE = "flotta"
OPERATOR = "flotta-operator"  # Deployment, Lease and component of Events
EDGE_API = "flotta-edge-api"  # Deployment and component of Events
CA_SECRET = "flotta-ca"  # noqa: S105 - a name
HOST_SECRET = "flotta-host-certificate"  # noqa: S105 - a name
DEVICE_PORT = 8043  # TCP, at which the Edge API serves devices unless told otherwise
REGISTRATION_LABEL = "reg-client-ca"  # "true" on each Secret with a registration certificate
REGISTRATION_SELECTOR = f"{REGISTRATION_LABEL}=true"


def name_registration_secret(authority: str, namespaces: str, others: Iterable[str]) -> str:
    """Return the name of a new Secret with a registration certificate.

    `authority` is the CA certificate (PEM), `namespaces` joins those of the certificate by commas,
    `others` are the names of such Secrets that are there already. The name follows from these
    three, so that writers that begin together make one Secret.
    """
    seed = "\n".join([authority, namespaces, *sorted(others)])
    return f"{REGISTRATION_LABEL}-{hashlib.sha256(seed.encode()).hexdigest()[:10]}"
