# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
"""What all modules of the resource API share: how they connect, wait and fail."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar, cast

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotta.edge.plugins.module_utils import _programs as programs

# What an import can raise: a Python before 3.11 does not know the syntax of everything.
UNUSABLE = (ImportError, SyntaxError, TypeError, AttributeError)
# Errors of this module and of the modules when they import what they need. Its names are used only in
# functions that `run` calls when there is no error, and in annotations, which are never evaluated.
import_errors: list[Exception] = []
try:
    from ansible_collections.flotta.edge.plugins.module_utils import _transport
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.cli.kubeconfig import (
        LOCAL_KUBECONFIG,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.migration.manifests import (
        Json,
        convert_manifest,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.printable_text import (
        printable_lines,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.client import (
        ApiError,
        Client,
        Forbidden,
        Unreachable,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.kinds import (
        Kind,
        ResourceT,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.names import (
        check_name,
        check_namespace,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.meta import (
        Manifest,
    )

    import_errors += _transport.import_errors
except UNUSABLE as error:
    import_errors.append(error)

T = TypeVar("T")

CONNECTION_SPEC = {"kubeconfig": {"type": "path"}, "context": {"type": "str"}}
CERTIFICATES_SPEC = {
    "certificates_dir": {"type": "path"},
    "control_plane_namespace": {"type": "str", "default": "flotta"},
}
WAIT_SPEC = {
    "wait": {"type": "bool", "default": False},
    "wait_timeout": {"type": "int", "default": 120},
    "wait_sleep": {"type": "int", "default": 1},
}
OF_KUBERNETES = ("urllib3", "yaml")  # packages that it brings along
NAMES = ("name", "target_set")  # options
NAMESPACES = ("namespace", "namespaces", "target_namespace", "control_plane_namespace")  # options
# A play that installs the control plane first can be tried as a whole.
NO_NAMESPACE = "There is no namespace {0} yet, so check mode cannot tell whether the resource API would accept the change."
LEAVING = "{0} is being deleted, so it cannot be changed. Run the task again when it is gone."
MISSING = (
    "The Python package {1} is not installed for {0}. Install it there ({0} -m pip install '{1}'), choose a Python that has it by "
    "ansible_python_interpreter, or run the module on the host of the control plane."
)
OLD_PYTHON = "{0} is older than Python 3.11, which the module needs; choose a newer one by ansible_python_interpreter."


@dataclass(frozen=True)
class Connection:
    """The parameters of CONNECTION_SPEC: which resource API, and as whom."""

    kubeconfig: str | None  # path
    context: str | None


@dataclass(frozen=True)
class Certificates:
    """The parameters of CERTIFICATES_SPEC: a directory of certificates, or the namespace of Secrets."""

    certificates_dir: str | None  # path
    control_plane_namespace: str


class Delayed(TimeoutError):
    """What a module waits for did not happen in time; `reason` is the stable code of what keeps it, if there is one."""

    def __init__(self, sentence: str, reason: str | None = None) -> None:
        super().__init__(sentence)
        self.reason = reason


@dataclass(frozen=True)
class Waiting:
    """The parameters of WAIT_SPEC; times are seconds."""

    wait: bool
    wait_timeout: int
    wait_sleep: int  # between two checks


def run(
    module: AnsibleModule,
    connection: Connection,
    work: Callable[[Any], Awaitable[Manifest]],
    connect: Callable[[Connection], Awaitable[Any]] | None = None,
) -> NoReturn:
    """Exit with the result of `work(client)`, or fail with what went wrong and how to fix it.

    The client is that of `connect`, without it a Client. Of what `work` raises, ApiError, ValueError and TimeoutError fail the module
    with a sentence, and with the `reason` that ApiError and Delayed have.
    """
    _require_packages(module)
    try:
        _check_names(module.params)
        _check_waiting(connection)
        result = asyncio.run(_connect_and_work(connection, work, connect or _connect))
    except ApiError as error:
        module.fail_json(
            msg=printable_lines(describe_error(error, connection)), reason=error.reason
        )
    except (ValueError, TimeoutError) as error:
        reason = getattr(error, "reason", None)
        code = {"reason": reason} if reason else {}
        module.fail_json(msg=printable_lines(str(error)), **code)
    module.exit_json(**result)


def _require_packages(module: AnsibleModule) -> None:
    """Continue in a Python that has what is missing here, or fail the module."""
    if import_errors:
        programs.continue_in_programs()
        error = import_errors[0]
        package = (getattr(error, "name", None) or "kubernetes").split(".")[0]
        package = "kubernetes" if package in OF_KUBERNETES else package
        missing = MISSING if sys.version_info >= (3, 11) else OLD_PYTHON
        programs.fail(module, error, missing.format(sys.executable, package))


def _check_names(parameters: Mapping[str, Any]) -> None:
    """Raise ValueError with a sentence for an option that names an object and cannot be its name."""
    for options, check in ((NAMES, check_name), (NAMESPACES, check_namespace)):
        for option in options:
            given = parameters.get(option)
            for text in [given] if isinstance(given, str) else given or ():
                check(text, option)


def _check_waiting(parameters: Connection) -> None:
    """Raise ValueError with a sentence for times that cannot be waited for."""
    if isinstance(parameters, Waiting):
        for option, least in (("wait_timeout", 0), ("wait_sleep", 1)):
            given = getattr(parameters, option)
            if given < least:
                raise ValueError(f"{option} is {given}; set it to at least {least}.")


def find_kubeconfig(connection: Connection) -> str | None:
    """Return the path of the kubeconfig to use; None means the service account of the pod.

    Raises ValueError with a sentence when there is neither.
    """
    path = connection.kubeconfig or os.environ.get("KUBECONFIG")
    if path:
        if not any(map(os.path.exists, path.split(os.pathsep))):
            raise ValueError(
                f"There is no kubeconfig {path} on this machine{_describe_access()}; set kubeconfig to the file that kubectl uses."
            )
        return path
    usual = os.path.expanduser("~/.kube/config")
    for file in (usual, str(LOCAL_KUBECONFIG)):
        if os.access(file, os.R_OK):
            return file
    if "KUBERNETES_SERVICE_HOST" not in os.environ:
        raise ValueError(
            "There is no kubeconfig: set the option kubeconfig or the environment variable KUBECONFIG, or put one at ~/.kube/config. "
            f"The host of an embedded control plane has {LOCAL_KUBECONFIG}, which only root may read: use become there."
        )
    return None


def _describe_access() -> str:
    """Return a hint for a user who may not see all files, empty for root."""
    if os.geteuid() == 0:
        return ""
    return (
        ", or only root may read it: run the task as root there, with become or ansible_user=root"
    )


LOOPBACK = (
    "An embedded control plane listens on its own machine only: for others, set the input operator_resource_api_listen of the role "
    "flotta.edge.operator to 0.0.0.0 or an address of that machine, and run the playbook."
)


def describe_error(error: ApiError, connection: Connection) -> str:
    """Return a sentence that says what went wrong at the resource API and what to do."""
    if isinstance(error, Unreachable):
        return (
            f"The resource API does not answer: {error.message}. Check that it runs, and that this machine "
            f"can reach the address in {_describe_source(connection)}.{' ' + LOOPBACK if error.refused else ''}"
        )
    if error.status == 401:
        return f"The resource API does not accept the user of {_describe_source(connection)}; use a kubeconfig with valid credentials."
    if isinstance(error, Forbidden):
        return (
            f"The user of {_describe_source(connection)} does not have the permission: {error.message}. "
            "Use the kubeconfig of an administrator, or ask an administrator to grant the permission."
        )
    return f"The resource API refused the request: {error.message}"


def _describe_source(connection: Connection) -> str:
    name = connection.kubeconfig or os.environ.get("KUBECONFIG") or "the kubeconfig"
    return f"{name} (context {connection.context})" if connection.context else name


def connect_to_certificates(module: AnsibleModule) -> Callable[[Any], Awaitable[Any]]:
    """Return what connects to the directory of the parameters, of a class that is also Certificates, else to the resource API."""

    async def connect(connection: Any) -> Any:
        if connection.certificates_dir is None:
            return await _connect(connection)
        # The code that the Edge API has for its directory; others do not need flotta-edge.
        from ansible_collections.flotta.edge.plugins.module_utils import (  # noqa: PLC0415
            _installed_flotta as installed,
        )

        programs.require_programs(module, installed.import_errors, programs.MISSING)
        return installed.CertificatesDirectory(Path(connection.certificates_dir))

    return connect


async def _connect(connection: Connection) -> Client:
    return await Client.connect(find_kubeconfig(connection), connection.context)


async def _connect_and_work(
    connection: Connection,
    work: Callable[[Any], Awaitable[Manifest]],
    connect: Callable[[Connection], Awaitable[Any]],
) -> Manifest:
    client = await connect(connection)
    try:
        return await work(client)
    finally:
        await client.close()


def replace_old_names(
    module: AnsibleModule, kind: Kind[ResourceT], metadata: Json, spec: Json
) -> ResourceT:
    """Return the object that a user wrote, with the current names of its fields.

    The module warns about each name of an earlier release.
    """
    new, sentences = convert_manifest(
        {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": spec}
    )
    for sentence in sentences:
        module.warn(f"{kind.kind}: {sentence}")
    return cast("ResourceT", new)  # the API checks it


async def wait_until(
    waiting: Waiting,
    look: Callable[[], Awaitable[T | None]],
    describe: Callable[[], str | Delayed | Awaitable[Delayed]],
) -> T:
    """Call `look()` until it returns something true, and return that.

    After `wait_timeout`, raises what `describe()` returns, awaited where that is needed; a TimeoutError for a text.
    """
    deadline = time.monotonic() + waiting.wait_timeout
    while True:
        found = await look()
        if found:
            return found
        if time.monotonic() >= deadline:
            why = describe()
            if isinstance(why, str):
                raise TimeoutError(why)
            raise why if isinstance(why, Delayed) else await why
        await asyncio.sleep(waiting.wait_sleep)


def make_diff(before: Manifest | None, after: Manifest | None) -> dict[str, Manifest]:
    """Return what Ansible shows with --diff."""
    return {"before": before or {}, "after": after or {}}
