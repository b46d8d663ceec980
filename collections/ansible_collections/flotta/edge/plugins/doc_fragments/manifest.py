# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of every module that makes objects of the resource API."""

from __future__ import annotations


class ModuleDocFragment:
    """Which object a module works on, and a manifest instead of its fields."""

    DOCUMENTATION = r"""
options:
  name:
    description:
      - Name of the object.
      - When omitted, that in C(metadata.name) of O(definition).
    type: str
  namespace:
    description:
      - Namespace of the object.
      - When omitted, that in C(metadata.namespace) of O(definition), else V(default).
    type: str
  labels:
    description:
      - Labels of the object. Labels that are not listed here stay as they are. V(null) removes a label.
      - A boolean becomes V(true) or V(false), a number the text of it.
    type: dict
  definition:
    description:
      - The object as in a manifest, with C(apiVersion), C(kind), C(metadata) and C(spec), or with some of them.
      - Instead of O(spec). What is in its C(spec) is not checked by Ansible but by the resource API. Use it for manifests that you have as files.
      - Of C(metadata), name, namespace, labels and annotations are used; V(null) removes a label or annotation.
      - Kinds and fields of earlier releases are replaced by the current ones, with a warning; fields that never existed are dropped, with a warning.
    type: dict
"""
