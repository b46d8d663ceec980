"""boto3's clients of S3 and IAM, which have no types: the calls, and what is read of responses.

Arguments and fields are spelt as in the API references of Amazon S3 and of AWS IAM.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Required, TypedDict

from flotta.resources.objects.meta import Manifest


class BucketConfiguration(TypedDict):
    """Where a bucket is made, unless that is the default region."""

    LocationConstraint: str


class ObjectIdentifier(TypedDict):
    """An object of a bucket."""

    Key: str


class ListedObjects(TypedDict, total=False):
    """A page of a bucket's objects; an empty one has no `Contents`."""

    Contents: list[ObjectIdentifier]


class Deletion(TypedDict):
    """The objects to delete; `Quiet` leaves those out of the response that went."""

    Objects: Sequence[ObjectIdentifier]
    Quiet: bool


class DeletionError(TypedDict, total=False):
    """An object that was not deleted."""

    Key: str
    Code: str


class DeletedObjects(TypedDict, total=False):
    """The response to a deletion; without `Errors` all went well."""

    Errors: list[DeletionError]


class S3Client(Protocol):
    """A client of S3. Every call raises ClientError for a refusal, BotoCoreError for no answer."""

    def create_bucket(
        self, *, Bucket: str, CreateBucketConfiguration: BucketConfiguration = ...
    ) -> object:
        """Make a bucket."""

    def head_bucket(self, *, Bucket: str) -> object:
        """Find out whether a bucket is there and ours."""

    def delete_bucket(self, *, Bucket: str) -> object:
        """Remove an empty bucket."""

    def list_objects_v2(self, *, Bucket: str) -> ListedObjects:
        """List the first objects of a bucket."""

    def delete_objects(self, *, Bucket: str, Delete: Deletion) -> DeletedObjects:
        """Delete objects, a thousand at most."""


class Statement(TypedDict, total=False):
    """A statement of a policy; a list of one may be written without brackets."""

    Sid: str
    Effect: Required[str]
    Action: Required[str | list[str]]
    Resource: Required[str | list[str]]


class PolicyDocument(TypedDict, total=False):
    """What a user of IAM may do."""

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
        """Make a user; EntityAlreadyExists when there is one."""

    def delete_user(self, *, UserName: str) -> object:
        """Remove a user that has neither keys nor policies."""

    def create_access_key(self, *, UserName: str) -> AccessKeyCreation:
        """Make an access key, the user's second at most."""

    def list_access_keys(self, *, UserName: str) -> ListedAccessKeys:
        """List a user's access keys."""

    def delete_access_key(self, *, UserName: str, AccessKeyId: str) -> object:
        """Delete an access key."""

    def put_user_policy(self, *, UserName: str, PolicyName: str, PolicyDocument: str) -> object:
        """Write a policy of the user's; the document is JSON."""

    def get_user_policy(self, *, UserName: str, PolicyName: str) -> UserPolicy:
        """Read a policy of the user's."""

    def list_user_policies(self, *, UserName: str) -> ListedPolicies:
        """List the names of the user's policies."""

    def delete_user_policy(self, *, UserName: str, PolicyName: str) -> object:
        """Delete a policy of the user's."""
