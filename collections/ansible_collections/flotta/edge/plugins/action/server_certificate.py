# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hides the private key that the module server_certificate returns, as that of registration_certificate is hidden."""

from __future__ import annotations

from ansible_collections.flotta.edge.plugins.action.registration_certificate import ActionModule

__all__ = ["ActionModule"]
