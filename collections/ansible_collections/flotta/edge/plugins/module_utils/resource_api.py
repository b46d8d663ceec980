# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
"""What the modules that talk to the resource API have in common: the way in, waiting, failing."""

from __future__ import annotations

import asyncio
import os
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from ansible.module_utils.common.respawn import has_respawned, respawn_module

try:
    from flotta.migration.manifests import convert_manifest
    from flotta.resources.client import ApiError, Client, Forbidden, Unreachable

    import_errors: list[ImportError] = []  # what this and the modules cannot import of flotta
except ImportError as error:
    convert_manifest = ApiError = Client = Forbidden = Unreachable = None
    import_errors = [error]

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from flotta.resources.kinds import Kind

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
OTHER_RELEASE = (
    "flotta-edge on this machine is incomplete, or of another release than this collection ({0}). Install the release "
    "that belongs to it: with the role flotta.edge.operator on the control plane, with flotta.edge.programs elsewhere."
)


def run(module: AnsibleModule, work: Callable[[Client], Awaitable[dict[str, Any]]]) -> None:
    """Call `work(client)`, a coroutine function, and exit with the result it returns."""
    if import_errors and not has_respawned() and find_python():
        # Delegated tasks cannot choose an interpreter, so the module changes to the right one itself.
        respawn_module(find_python())
    if import_errors:
        error = import_errors[0]
        module.fail_json(
            msg=describe_import_error(error),
            exception="".join(traceback.format_exception(error)),
        )
    try:
        result = asyncio.run(_connect_and_work(module.params, work))
    except ApiError as error:
        module.fail_json(msg=describe_error(error, module.params), reason=error.reason)
    except (ValueError, TimeoutError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


def describe_import_error(error: ImportError) -> str:
    """Say whether the programs are not here at all, or not those of this release."""
    if isinstance(error, ModuleNotFoundError) and error.name == "flotta":
        return MISSING
    return OTHER_RELEASE.format(error)


def find_python() -> str | None:
    """Return the Python that has the control plane's programs, or None."""
    folders = (os.environ.get("FLOTTA_PROGRAMS"), *PROGRAMS)
    found = (
        os.path.join(os.path.expanduser(folder), "current/bin/python")
        for folder in folders
        if folder
    )
    return next((python for python in found if os.path.exists(python)), None)


def find_kubeconfig(params: dict[str, Any]) -> str | None:
    """Return the kubeconfig that the parameters mean; None is the service account of a pod.

    Raises ValueError with a sentence when there is neither.
    """
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


def describe_error(error: ApiError, params: dict[str, Any]) -> str:
    """Return what went wrong at the resource API, and the remedy."""
    if isinstance(error, Unreachable):
        return (
            f"The resource API does not answer: {error.message}. Check that it runs, and that "
            f"{_describe_source(params)} has an address of it that this machine reaches."
        )
    if error.status == 401:
        return f"The resource API does not know the user of {_describe_source(params)}; name a kubeconfig that is still valid."
    if isinstance(error, Forbidden):
        return (
            f"The user of {_describe_source(params)} lacks a right: {error.message}. "
            "Name the kubeconfig of an administrator, or let one grant the right."
        )
    return f"The resource API refused: {error.message}"


def _describe_source(params: dict[str, Any]) -> str:
    name = params["kubeconfig"] or os.environ.get("KUBECONFIG") or "the kubeconfig"
    return f"{name} (context {params['context']})" if params["context"] else name


async def _connect_and_work(
    params: dict[str, Any], work: Callable[[Client], Awaitable[dict[str, Any]]]
) -> dict[str, Any]:
    client = await Client.connect(find_kubeconfig(params), params["context"])
    try:
        return await work(client)
    finally:
        await client.close()


def replace_old_names(
    module: AnsibleModule, kind: Kind, spec: dict[str, Any], labels: dict[str, str] | None = None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return spec and labels with names of earlier releases replaced; the module warns of each."""
    metadata = {"labels": labels} if labels else {}
    manifest = {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": metadata,
        "spec": spec,
    }
    new, sentences = convert_manifest(manifest)
    for sentence in sentences:
        module.warn(f"{kind.kind}: {sentence}")
    return new["spec"], new["metadata"].get("labels") or {}


async def wait_until(
    params: dict[str, Any], look: Callable[[], Awaitable[Any]], describe: Callable[[], str]
) -> Any:
    """Look again and again until `look()` returns something true, and return that.

    When the time is over, TimeoutError carries what `describe()` returns.
    """
    deadline = time.monotonic() + params["wait_timeout"]
    while True:
        found = await look()
        if found:
            return found
        if time.monotonic() >= deadline:
            raise TimeoutError(describe())
        await asyncio.sleep(params["wait_sleep"])


def find_condition(obj: dict[str, Any], type_: str) -> dict[str, Any]:
    """Return the condition of a type in the object's status, or an empty one."""
    conditions = (obj.get("status") or {}).get("conditions") or []
    return next((item for item in conditions if item["type"] == type_), {})


def make_diff(
    before: dict[str, Any] | None, after: dict[str, Any] | None
) -> dict[str, dict[str, Any]]:
    """Return what Ansible shows with --diff."""
    return {"before": before or {}, "after": after or {}}
