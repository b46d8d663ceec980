"""Backends of the Edge API: where devices are stored, by the setting BACKEND.

`backend` defines the interface and `factory` makes the chosen backend. To add another, write a
package here whose `make_backend` returns it (see `factory.BackendPackage`), and add it to
`BACKENDS`.
"""

from __future__ import annotations

# Names of packages, so that a server loads only the libraries of its own backend.
BACKENDS = {
    "crd": "flotta.edge_api.backends.crd",
    "remote": "flotta.edge_api.backends.remote",
}
