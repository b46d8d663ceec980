"""What is behind the wire interface of the Edge API, by the setting BACKEND.

`backend` says what a backend is and `factory` makes the chosen one. A further backend is a package
here whose `make_backend` returns it (see `factory.BackendPackage`), and a line in `BACKENDS`.
"""

from __future__ import annotations

# Names of packages, so that a server loads the libraries of its own backend only.
BACKENDS = {"crd": "flotta.edge_api.backends.crd"}
