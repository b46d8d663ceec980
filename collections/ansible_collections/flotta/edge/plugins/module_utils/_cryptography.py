# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
"""Whether the package cryptography is there, for modules that read certificates.

ansible-core brings a recent one along, but the Python of a target may have that of its distribution.
"""

from __future__ import annotations

OLDEST = 42  # the first release whose times have a zone
import_errors: list[ImportError] = []
try:
    import cryptography

    if int(cryptography.__version__.split(".", maxsplit=1)[0]) < OLDEST:
        raise ImportError(
            f"cryptography {cryptography.__version__} is too old", name=f"cryptography>={OLDEST}"
        )
except ImportError as error:
    import_errors.append(error)
