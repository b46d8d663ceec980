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
    from flotta.fleet.conversion import converted
    from flotta.resources.client import ApiError, Client, Forbidden, NotFound, Unreachable

    IMPORT_ERROR = None
except ImportError:
    converted = ApiError = Client = Forbidden = NotFound = Unreachable = None
    IMPORT_ERROR = traceback.format_exc()

CONNECTION_SPEC = {"kubeconfig": {"type": "path"}, "context": {"type": "str"}}
WAIT_SPEC = {
    "wait": {"type": "bool", "default": False},
    "wait_timeout": {"type": "int", "default": 120},
    "wait_sleep": {"type": "int", "default": 1},
}
# Where the role flotta.edge.programs puts them: for one user, or for the whole machine.
PROGRAMS = ("~/.local/share/flotta", "/opt/flotta")
MISSING = (
    "flotta-edge is not installed on this machine. Run the module on the control plane, where the role "
    "flotta.edge.operator installs it, or install it here with the role flotta.edge.programs: "
    "programs_extras: [control-plane], programs_directory: ~/.local/share/flotta."
)


def run(module, work):
    """Call `work(client)`, a coroutine function, and exit with the result it returns."""
    if IMPORT_ERROR is not None and not has_respawned() and installed():
        # Delegated tasks cannot choose an interpreter, so the module changes to the right one itself.
        respawn_module(installed())
    if IMPORT_ERROR is not None:
        module.fail_json(msg=MISSING, exception=IMPORT_ERROR)
    try:
        result = asyncio.run(_connected(module.params, work))
    except ApiError as error:
        module.fail_json(msg=sentence(error, module.params), reason=error.reason)
    except (ValueError, TimeoutError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


def installed():
    """The Python that has the control plane's programs, or None."""
    folders = (os.environ.get("FLOTTA_PROGRAMS"), *PROGRAMS)
    found = (
        os.path.join(os.path.expanduser(folder), "current/bin/python")
        for folder in folders
        if folder
    )
    return next((python for python in found if os.path.exists(python)), None)


def kubeconfig(params):
    """The kubeconfig that the parameters mean; None is the service account of a pod."""
    path = params["kubeconfig"] or os.environ.get("KUBECONFIG")
    if path:
        if not any(map(os.path.exists, path.split(os.pathsep))):
            raise ValueError(
                f"There is no kubeconfig {path} on this machine; name the file that kubectl uses."
            )
        return path
    usual = os.path.expanduser("~/.kube/config")
    if os.path.exists(usual):
        return usual
    if "KUBERNETES_SERVICE_HOST" not in os.environ:
        raise ValueError(
            "There is no kubeconfig: name one with the option kubeconfig, by KUBECONFIG, or put it at ~/.kube/config."
        )
    return None


def sentence(error, params):
    """What went wrong at the resource API, and the remedy."""
    if isinstance(error, Unreachable):
        return (
            f"The resource API does not answer: {error.message}. Check that it runs, and that "
            f"{_source(params)} has an address of it that this machine reaches."
        )
    if error.status == 401:
        return f"The resource API does not know the user of {_source(params)}; name a kubeconfig that is still valid."
    if isinstance(error, Forbidden):
        return (
            f"The user of {_source(params)} lacks a right: {error.message}. "
            "Name the kubeconfig of an administrator, or let one grant the right."
        )
    return f"The resource API refused: {error.message}"


def _source(params):
    name = params["kubeconfig"] or os.environ.get("KUBECONFIG") or "the kubeconfig"
    return f"{name} (context {params['context']})" if params["context"] else name


async def _connected(params, work):
    client = await Client.connect(kubeconfig(params), params["context"])
    try:
        return await work(client)
    finally:
        await client.close()


def modern(module, kind, spec, labels=None):
    """Spec and labels with the names that earlier releases used replaced; the module warns of each."""
    metadata = {"labels": labels} if labels else {}
    manifest = {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": metadata,
        "spec": spec,
    }
    new, sentences = converted(manifest)
    for sentence in sentences:
        module.warn(f"{kind.kind}: {sentence}")
    return new["spec"], new["metadata"].get("labels") or {}


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
