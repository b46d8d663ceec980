"""One real Kubernetes API with our kinds and roles for all tests of a run; all leave it empty.

To start one takes more processor time than most of the tests that need it.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from contract.cluster import Cluster
from flotta.installation.kinds import CRD
from flotta.own_names import FLOTTA_NAMESPACE
from flotta.resources import crds
from flotta.resources.client import Client, NotFound
from flotta.resources.kinds import ALL, NAMESPACE, Kind
from waiting import eventually

Object = dict[str, Any]
OWN = ("default", "kube-system", "kube-public", "kube-node-lease", FLOTTA_NAMESPACE)
ROOT_CA = "kube-root-ca.crt"  # a ConfigMap that Kubernetes has in every namespace
_started: list[Cluster] = []
_in_use = False


@contextmanager
def shared_cluster() -> Iterator[Cluster]:
    """Return the cluster of this run, without our objects.

    Whoever uses it has to end before the block does.
    """
    global _in_use
    assert not _in_use, "two tests want the cluster at a time"
    if not _started:
        cluster = Cluster(Path(tempfile.mkdtemp(prefix="flotta-kubernetes-")))
        _started.append(cluster)
        cluster.start()
    _in_use = True
    try:
        yield _started[0]
    finally:
        with ThreadPoolExecutor(1) as thread:  # the test may have an event loop that runs
            thread.submit(asyncio.run, empty(_started[0].kubeconfig("admin"))).result()
        _in_use = False


def stop_shared_cluster() -> None:
    """End it, if it was started at all."""
    while _started:
        cluster = _started.pop()
        cluster.stop()
        shutil.rmtree(cluster.folder)


async def empty(kubeconfig: Path) -> None:
    async with await Client.connect(str(kubeconfig)) as client:
        await eventually(lambda: _is_emptied(client), pause=0.2)


async def _is_emptied(client: Client) -> bool:
    """Remove what tests left; tell whether there was nothing."""
    kinds = [kind for kind in ALL if kind != NAMESPACE]
    found = [(kind, obj) for kind in kinds for obj in await client.list(kind) if _is_left(obj)]
    known = {definition["metadata"]["name"] for definition in crds.load()}
    for kind, kept in ((NAMESPACE, set(OWN)), (CRD, known)):
        objects = await client.list(kind)
        found += [(kind, obj) for obj in objects if obj["metadata"]["name"] not in kept]
    await asyncio.gather(*(_remove(client, kind, obj) for kind, obj in found))
    return not found


def _is_left(obj: Object) -> bool:
    metadata = obj["metadata"]
    return not metadata["namespace"].startswith("kube-") and metadata["name"] != ROOT_CA


async def _remove(client: Client, kind: Kind, obj: Object) -> None:
    """Delete an object; no controller runs to act on its finalizers."""
    metadata = obj["metadata"]
    name, namespace = metadata["name"], metadata.get("namespace")
    with suppress(NotFound):
        if metadata.get("finalizers") and kind != CRD:
            await client.merge_patch(kind, name, namespace, {"metadata": {"finalizers": None}})
        if "deletionTimestamp" not in metadata:
            await client.delete(kind, name, namespace)
