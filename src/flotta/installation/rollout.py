"""Wait until the Deployments are rolled out; say why when they are not."""

from __future__ import annotations

import asyncio
from typing import Any

from ..resources.client import ApiError
from . import names
from .apply import Applier
from .clock import Deadline
from .errors import InstallationError
from .labelled import selector
from .troubles import CRASHING, TOO_LARGE, failure, rolled_out, trouble

Object = dict[str, Any]
# Seconds after which a reason will not go away by itself. Others are waited for to the end.
PATIENCE = {
    "ImagePullBackOff": 30.0,
    "CreateContainerConfigError": 30.0,
    CRASHING: 60.0,
    TOO_LARGE: 60.0,
    "FailedCreate": 30.0,
}


class Rollout:
    """The two Deployments of a namespace on their way to being ready."""

    def __init__(self, applier: Applier, namespace: str, image: str) -> None:
        self._applier = applier
        self._namespace = namespace
        self._image = image
        self._since: dict[tuple[str, str], float] = {}

    async def wait(self, patience: float) -> None:
        """Return when both are rolled out; raises InstallationError with the reason of a pod."""
        deadline = Deadline(patience)
        for name in names.PROGRAMS:
            if not await deadline.until(lambda name=name: self._ready(name)):  # type: ignore[misc]
                reason, message = await self._why(name)
                raise await self._error(name, reason, message, f"after {patience:.0f} s")

    async def _ready(self, name: str) -> bool:
        deployment = await self._applier.named(names.DEPLOYMENT, name, self._namespace)
        if deployment is None:
            raise InstallationError(f"Deployment {name} was deleted meanwhile; run this again")
        if rolled_out(deployment):
            return True
        reason, message = await self._why(name)
        if self._lasts(name, reason):
            raise await self._error(name, reason, message, "and will not be")
        return False

    def _lasts(self, name: str, reason: str) -> bool:
        """Tell whether a reason was seen for so long that waiting is in vain."""
        now = asyncio.get_running_loop().time()
        first = self._since.setdefault((name, reason), now)
        self._since = {key: at for key, at in self._since.items() if key[0] != name}
        self._since[name, reason] = first
        return reason in PATIENCE and now - first >= PATIENCE[reason]

    async def _why(self, name: str) -> tuple[str, str]:
        deployment = await self._applier.named(names.DEPLOYMENT, name, self._namespace)
        found = failure(deployment) if deployment else ("", "")
        if found[0]:
            return found
        for pod in await self._pods(name):
            found = trouble(pod)
            if found[0]:
                return found
        return "", ""

    async def _pods(self, name: str) -> list[Object]:
        """The pods, the newest first: an older one still works while the new one fails."""
        labels = ",".join(f"{key}={value}" for key, value in selector(name).items())
        pods = await self._applier.listed(names.POD, self._namespace, labels)
        return sorted(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), reverse=True)

    async def _error(self, name: str, reason: str, message: str, when: str) -> InstallationError:
        place = f"kubectl --namespace {self._namespace} describe pod --selector {names.NAME}={name}"
        said = message.strip().rstrip(".")
        if reason == "ImagePullBackOff":
            return InstallationError(
                f"{name} is not ready {when}: the nodes cannot get the image {self._image} ({said or reason}); "
                "load it on every node, or push it to a registry and set image and image_pull_secrets"
            )
        if reason == TOO_LARGE:
            option = f"{name.removeprefix('flotta-').replace('-', '_')}_resources.memory_limit"
            return InstallationError(
                f"{name} is not ready {when}: it is ended because it needs more memory than it may take; raise {option}"
            )
        if reason in (CRASHING, "Error", "Completed"):
            line = await self._last_words(name)
            return InstallationError(
                f"{name} is not ready {when}: it ends again and again"
                f"{f'; its last words are: {line}' if line else ''}; change the setting that they name, or look at: "
                f"kubectl --namespace {self._namespace} logs --previous --selector {names.NAME}={name}"
            )
        if reason == "FailedCreate":
            return InstallationError(
                f"{name} is not ready {when}: its pods are refused ({said}); change what refuses them"
            )
        because = f": {reason}{f' ({said})' if said else ''}" if reason else ""
        return InstallationError(f"{name} is not ready {when}{because}; look at: {place}")

    async def _last_words(self, name: str) -> str:
        """The last line that a crashing pod logged; empty when the log cannot be read."""
        for pod in await self._pods(name):
            path = names.POD.path(self._namespace, pod["metadata"]["name"], "log")
            for previous in ("true", "false"):
                try:
                    query = {"tailLines": "20", "previous": previous}
                    text = await self._applier.client.read_text(path, query)
                except ApiError:
                    continue
                if lines := text.split("\n"):
                    return next((line for line in reversed(lines) if line.strip()), "")[:400]
        return ""
