"""Gives configurations to the features, also to one that fails at first."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from flotta.protocol.models import DeviceConfigurationMessage
from flotta.protocol.reasons.workloads import INTERNAL_ERROR
from flotta.worker.features import AgentContext, Feature

log = logging.getLogger(__name__)

RETRY = 30.0  # seconds until a feature that failed is configured again


class FeatureConfiguration:
    """Configures all features; `problem` says why one of them is not configured, empty if all are.

    The control plane sends the same configuration only once, so a feature that fails for a moment,
    such as by an error of the disk, gets it again from here.
    """

    def __init__(self, features: Sequence[Feature], context: AgentContext) -> None:
        self._features = features
        self._context = context
        self._retry: asyncio.Task[None] | None = None
        self.problem = ""

    def configure(self, tasks: asyncio.TaskGroup, message: DeviceConfigurationMessage) -> None:
        """Configure every feature; one that fails stops none of the others."""
        self.cancel()
        failed = [feature for feature in self._features if not self._try(feature, message)]
        if failed:
            self._retry = tasks.create_task(self._try_again(failed, message))

    def cancel(self) -> None:
        """Try nothing again: there is another configuration, or none any more."""
        self.problem = ""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    async def _try_again(
        self, failed: Sequence[Feature], message: DeviceConfigurationMessage
    ) -> None:
        while failed:
            await asyncio.sleep(RETRY)
            failed = [feature for feature in failed if not self._try(feature, message)]
        log.info("All of the configuration is applied now")
        self.problem = ""
        self._context.request_heartbeat()

    def _try(self, feature: Feature, message: DeviceConfigurationMessage) -> bool:
        try:
            feature.configure(message)
        except Exception as error:  # one of several: the others must be configured
            problem = f"not all of the configuration is applied: {error}"
            if problem != self.problem:
                log.exception("A part of the configuration cannot be applied [%s]", INTERNAL_ERROR)
                self._context.add_warning(INTERNAL_ERROR, f"A part cannot be applied: {error}")
            self.problem = problem
            return False
        return True
