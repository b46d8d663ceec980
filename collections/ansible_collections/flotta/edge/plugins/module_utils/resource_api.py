# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
"""What the modules that talk to the resource API have in common: the way in, waiting, failing."""

from __future__ import annotations

import asyncio
import os
import time
import traceback

from ansible.module_utils.common.respawn import has_respawned, respawn_module

try:
    from flotta.resources.client import ApiError, Client, NotFound

    IMPORT_ERROR = None
except ImportError:
    ApiError = Client = NotFound = None
    IMPORT_ERROR = traceback.format_exc()

CONNECTION_SPEC = {"kubeconfig": {"type": "path"}}
WAIT_SPEC = {
    "wait": {"type": "bool", "default": False},
    "wait_timeout": {"type": "int", "default": 120},
    "wait_sleep": {"type": "int", "default": 1},
}
INSTALLED = "/opt/flotta/current/bin/python"
MISSING = (
    "flotta-edge is not installed on this machine. Run the module on the control plane, where the role "
    'flotta.edge.operator installs it, or install it here: pip install "flotta-edge[control-plane]"'
)


def run(module, work):
    """Call `work(client)`, a coroutine function, and exit with the result it returns."""
    if IMPORT_ERROR is not None and not has_respawned() and os.path.exists(INSTALLED):
        # Delegated tasks cannot choose an interpreter, so the module changes to the right one itself.
        respawn_module(INSTALLED)
    if IMPORT_ERROR is not None:
        module.fail_json(msg=MISSING, exception=IMPORT_ERROR)
    try:
        result = asyncio.run(_connected(module.params["kubeconfig"], work))
    except ApiError as error:
        module.fail_json(msg=f"The resource API refused: {error.message}", reason=error.reason)
    except (ValueError, TimeoutError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


async def _connected(kubeconfig, work):
    client = await Client.connect(kubeconfig)
    try:
        return await work(client)
    finally:
        await client.close()


async def find(client, kind, name, namespace):
    """The object, or None when there is none."""
    try:
        return await client.get(kind, name, namespace)
    except NotFound:
        return None


async def wait_until(params, look, sentence):
    """Look again and again until `look()` returns something true, and return that.

    When the time is over, TimeoutError carries what `sentence()` says.
    """
    deadline = time.monotonic() + params["wait_timeout"]
    while True:
        found = await look()
        if found:
            return found
        if time.monotonic() >= deadline:
            raise TimeoutError(sentence())
        await asyncio.sleep(params["wait_sleep"])


def condition(obj, type_):
    """The condition of a type in the object's status, or an empty one."""
    conditions = (obj.get("status") or {}).get("conditions") or []
    return next((item for item in conditions if item["type"] == type_), {})


def difference(before, after):
    """What Ansible shows with --diff."""
    return {"before": before or {}, "after": after or {}}
