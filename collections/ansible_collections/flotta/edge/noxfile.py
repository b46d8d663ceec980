# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sessions of antsibull-nox.toml."""

import sys

try:
    import antsibull_nox
except ImportError:
    sys.exit(
        "antsibull-nox is not installed: pip install antsibull-nox, or run make test-deep PARTS=quality in a checkout of the repository"
    )

antsibull_nox.load_antsibull_nox_toml()
