"""Names of the control plane's own objects, by which its programs and the installation find them."""

from __future__ import annotations

# Of the certificates and the Lease; an installation on Kubernetes may choose another one.
FLOTTA_NAMESPACE = "flotta"
OPERATOR = "flotta-operator"  # Deployment, Lease and component of Events
EDGE_API = "flotta-edge-api"  # Deployment and component of Events
CA_SECRET = "flotta-ca"  # noqa: S105 - a name
HOST_SECRET = "flotta-host-certificate"  # noqa: S105 - a name
REGISTRATION_LABEL = "reg-client-ca"  # "true" on each Secret with a registration certificate
