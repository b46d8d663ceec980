"""Types for boto3's clients of S3 and IAM, which have none: the calls and the fields that we read.

Arguments and fields are spelt as in the API references of Amazon S3 and AWS IAM.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Required, TypedDict

from flotta.resources.objects.meta import Manifest


class BucketConfiguration(TypedDict):
    """The region of a new bucket, unless it is the default region."""

    LocationConstraint: str


class ObjectIdentifier(TypedDict):
    """An object of a bucket."""

    Key: str


class ListedObjects(TypedDict, total=False):
    """A page of a bucket's objects; an empty one has no `Contents`."""

    Contents: list[ObjectIdentifier]


class Deletion(TypedDict):
    """The objects to delete; with `Quiet` the response lists only those that were not deleted."""

    Objects: Sequence[ObjectIdentifier]
    Quiet: bool


class DeletionError(TypedDict, total=False):
    """An object that was not deleted."""

    Key: str
    Code: str


class DeletedObjects(TypedDict, total=False):
    """The response to a deletion; without `Errors` every object was deleted."""

    Errors: list[DeletionError]


class S3Client(Protocol):
    """A client of S3. Every call raises ClientError for a refusal, BotoCoreError for no answer."""

    def create_bucket(
        self, *, Bucket: str, CreateBucketConfiguration: BucketConfiguration = ...
    ) -> object:
        """Create a bucket."""

    def head_bucket(self, *, Bucket: str) -> object:
        """Check that a bucket exists and that this key may use it."""

    def delete_bucket(self, *, Bucket: str) -> object:
        """Delete an empty bucket."""

    def list_objects_v2(self, *, Bucket: str) -> ListedObjects:
        """List the first objects of a bucket."""

    def delete_objects(self, *, Bucket: str, Delete: Deletion) -> DeletedObjects:
        """Delete objects, a thousand at most."""


class Statement(TypedDict, total=False):
    """A statement of a policy; a list with one item may be written without brackets."""

    Sid: str
    Effect: Required[str]
    Action: Required[str | list[str]]
    Resource: Required[str | list[str]]


class PolicyDocument(TypedDict, total=False):
    """The permissions of an IAM user."""

    Version: str
    Statement: Required[Statement | list[Statement]]


class CreatedAccessKey(TypedDict):
    """A new access key, with the secret that is never shown again."""

    AccessKeyId: str
    SecretAccessKey: str


class AccessKeyCreation(TypedDict):
    """The response to CreateAccessKey."""

    AccessKey: CreatedAccessKey


class AccessKeyMetadata(TypedDict):
    """An access key as it is listed."""

    AccessKeyId: str


class ListedAccessKeys(TypedDict):
    """The response to ListAccessKeys."""

    AccessKeyMetadata: list[AccessKeyMetadata]


class ListedPolicies(TypedDict):
    """The response to ListUserPolicies."""

    PolicyNames: list[str]


class UserPolicy(TypedDict):
    """The response to GetUserPolicy; botocore has decoded the document."""

    PolicyDocument: Manifest


class IamClient(Protocol):
    """A client of IAM. Every call raises ClientError for a refusal, BotoCoreError for no answer."""

    def create_user(self, *, UserName: str) -> object:
        """Create a user; EntityAlreadyExists when the name is taken."""

    def delete_user(self, *, UserName: str) -> object:
        """Delete a user that has neither keys nor policies."""

    def create_access_key(self, *, UserName: str) -> AccessKeyCreation:
        """Create an access key; a user has at most two."""

    def list_access_keys(self, *, UserName: str) -> ListedAccessKeys:
        """List a user's access keys."""

    def delete_access_key(self, *, UserName: str, AccessKeyId: str) -> object:
        """Delete an access key."""

    def put_user_policy(self, *, UserName: str, PolicyName: str, PolicyDocument: str) -> object:
        """Write a policy of the user; the document is JSON."""

    def get_user_policy(self, *, UserName: str, PolicyName: str) -> UserPolicy:
        """Read a policy of the user."""

    def list_user_policies(self, *, UserName: str) -> ListedPolicies:
        """List the names of the user's policies."""

    def delete_user_policy(self, *, UserName: str, PolicyName: str) -> object:
        """Delete a policy of the user."""
