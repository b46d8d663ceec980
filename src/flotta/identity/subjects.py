"""What the subjects of the fleet's certificates say (docs/reference/wire-protocol.md)."""

from __future__ import annotations

from flotta.own_names import EDGE_API

ORGANIZATION = "flotta-operator"
REGISTRATION_NAME = "register"
# Common names that devices may not have: a data store may know the Edge API by its name alone.
RESERVED_NAMES = (REGISTRATION_NAME, EDGE_API)
MAX_NAME_LENGTH = 64  # characters; ub-common-name, RFC 5280 appendix A
