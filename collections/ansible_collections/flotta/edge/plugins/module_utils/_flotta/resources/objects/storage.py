# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/resources/objects/storage.py: change that.
"""Bucket claims (docs/reference/crds.md#objectbucketclaim), and OpenShift's Routes to buckets."""

from __future__ import annotations

from typing import TypedDict

from ...resources.objects.meta import Condition, CustomResource, Manifest


class BucketClaimSpec(TypedDict, total=False):
    """The desired bucket."""

    storageClassName: str
    bucketName: str
    generateBucketName: str
    objectBucketName: str
    additionalConfig: dict[str, str]


class BucketClaimStatus(TypedDict, total=False):
    """Whether the bucket exists; conditions only say why it does not."""

    phase: str
    conditions: list[Condition]


class BucketClaim(CustomResource[BucketClaimSpec, BucketClaimStatus]):
    """An ObjectBucketClaim (objectbucket.io/v1alpha1)."""


class RouteSpec(TypedDict, total=False):
    """The address of an OpenShift Route."""

    host: str
    port: Manifest
    tls: Manifest
    to: Manifest


class Route(CustomResource[RouteSpec, Manifest]):
    """An OpenShift Route."""
