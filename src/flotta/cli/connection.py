"""Connects the commands of `flotta` to the resource API and describes its errors."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TypeVar

import yaml

from flotta.cli.kubeconfig import find_kubeconfig
from flotta.resources.client import ApiError, Client, Forbidden, NotFound, Unreachable
from flotta.resources.names import check_name, check_namespace

Result = TypeVar("Result")

# Where the role operator lets an Edge API without a resource API keep its certificates.
LOCAL_CERTIFICATES = Path("/var/lib/flotta/edge-api/certificates/flotta-ca")
STORED = (
    "this machine has no resource API: a data store has the devices. Ask the store, the reference "
    "server with flotta-configuration-api list. The commands registration and certificates work "
    f"with --certificates-dir {LOCAL_CERTIFICATES.parent}; for another control plane, name its "
    "kubeconfig with --kubeconfig"
)

NOT_INSTALLED = (
    "flotta is not installed on this cluster (the CRDs of the fleet are missing); install it "
    "with the role flotta.edge.operator, or choose another cluster with --kubeconfig or --context"
)


def run_connected(
    options: argparse.Namespace, work: Callable[[Client], Coroutine[None, None, Result]]
) -> Result:
    """Call `work` with a client for the options `kubeconfig` and `context`; return its result.

    A command may have the option `certificates_dir`: then the client is one of that directory.
    Raises ValueError with a sentence for every error of the API and of the kubeconfig, and for
    an option `name` or `namespace` that cannot be one.
    """
    _check_names(options)
    return asyncio.run(_connect_and_work(options, work))


def _check_names(options: argparse.Namespace) -> None:
    """Raise ValueError for names that a shell left empty above all: they must not mean all."""
    for option, check in (("name", check_name), ("namespace", check_namespace)):
        given = getattr(options, option, None)
        for text in [given] if isinstance(given, str) else given or ():
            check(text, f"the {option}")


async def _connect_and_work(
    options: argparse.Namespace, work: Callable[[Client], Coroutine[None, None, Result]]
) -> Result:
    try:
        async with await _connect(options) as client:
            return await work(client)
    except ApiError as error:
        raise ValueError(describe_error(error)) from error
    except yaml.YAMLError as error:
        raise ValueError("the kubeconfig is not valid YAML") from error


async def _connect(options: argparse.Namespace) -> Client:
    directory: Path | None = getattr(options, "certificates_dir", None)
    if directory is None:
        return await Client.connect(_require_kubeconfig(options.kubeconfig), options.context)
    # It loads the Edge API, which other commands do not need.
    from flotta.cli.certificates_directory import DirectoryClient  # noqa: PLC0415

    return DirectoryClient(directory)


def _require_kubeconfig(given: str | None) -> str | None:
    """Return the path, None in a pod; raises ValueError on a machine whose fleet is in a store."""
    path = find_kubeconfig(given)
    if path is None and LOCAL_CERTIFICATES.exists():
        raise ValueError(STORED)
    return path


# What to do where the connection was refused.
LOOPBACK = (
    "; check that it runs. An embedded control plane listens on its own machine only, unless the "
    "role's input operator_resource_api_listen is another address"
)


def describe_error(error: ApiError) -> str:
    """Return the sentence for an error of the API, with what to do about it."""
    if isinstance(error, Unreachable):
        return f"the resource API does not answer: {error}{LOOPBACK if error.refused else ''}"
    if isinstance(error, Forbidden):
        return f"the user of the kubeconfig is not allowed to do this: {error}"
    # For a path that it does not serve Kubernetes gives no reason, for a missing object it does.
    if isinstance(error, NotFound) and not error.reason:
        return NOT_INSTALLED
    return str(error)
