# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options, requirements and notes of every module that uses the resource API."""

from __future__ import annotations


class ModuleDocFragment:
    """The resource API: where it is, and what the module needs."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - Kubeconfig with the address of the resource API and the identity to use there.
      - A path on the machine where the module runs. When omitted, E(KUBECONFIG), else C(~/.kube/config), else the service account of its pod.
    type: path
  context:
    description:
      - Context of the kubeconfig.
      - When omitted, its current one.
    type: str
requirements:
  - flotta-edge with its extra C(control-plane), which the role P(flotta.edge.operator#role) installs, and P(flotta.edge.programs#role) alone
notes:
  - Run it on the control plane host. It changes to the Python that has the programs by itself, in C(~/.local/share/flotta) or C(/opt/flotta),
    or in the folder that the environment variable E(FLOTTA_PROGRAMS) names.
"""

    WAITING = r"""
options:
  wait:
    description:
      - Whether to wait until the result is complete.
    type: bool
    default: false
  wait_timeout:
    description:
      - Seconds to wait at most.
    type: int
    default: 120
  wait_sleep:
    description:
      - Seconds between two checks.
    type: int
    default: 1
"""
