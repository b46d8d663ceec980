# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options, requirements and notes of every module that uses the resource API."""

from __future__ import annotations


class ModuleDocFragment:
    """How a module connects to the resource API, and what it needs for that."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - Kubeconfig with the address of the resource API and the identity to use there.
      - A path on the machine where the module runs. When omitted, E(KUBECONFIG), else C(~/.kube/config), else the administrator's
        C(/etc/flotta/kubeconfig/admin.kubeconfig) on the host of an embedded control plane, else the service account of its pod.
    type: path
  context:
    description:
      - Context of the kubeconfig.
      - When omitted, the current context.
    type: str
requirements:
  - Python 3.11 or newer
  - the Python package C(kubernetes), 22.6 or newer
notes:
  - Run the module on any machine that has a kubeconfig, such as C(localhost), or on the host of the control plane.
  - Where a package is missing, the module continues in the Python of flotta-edge, if that is installed. It looks in the directory that the
    environment variable E(FLOTTA_PROGRAMS) names, in C(~/.local/share/flotta) and in C(/opt/flotta).
attributes:
  action_group:
    description: Use C(group/flotta.edge.edge) in C(module_defaults) to set options of this module once for a play.
    support: full
    membership:
      - flotta.edge.edge
"""

    CERTIFICATES = r"""
requirements:
  - the Python package C(cryptography), 42 or newer, which comes with ansible-core
  - with O(certificates_dir), flotta-edge with the extra C(control-plane), of the same release as this collection
options:
  control_plane_namespace:
    description:
      - Namespace of the control plane.
      - The O(flotta.edge.operator#module:namespace) with which it was installed; V(flotta) for an embedded control plane.
    type: str
    default: flotta
  certificates_dir:
    description:
      - The C(CERTIFICATES_DIR) of an Edge API without a resource API. The module then works on this directory, instead of on Secrets.
      - Run the module on the host of that Edge API, as its user or as root.
    type: path
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
      - Maximum number of seconds to wait. With V(0), the module looks once.
    type: int
    default: 120
  wait_sleep:
    description:
      - Seconds between two checks, at least 1.
    type: int
    default: 1
"""
