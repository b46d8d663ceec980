"""Key pairs from an AWS IAM query API: for each bucket a user of its name, with one inline policy.

IAM shows a secret once, at CreateAccessKey, and gives a user two pairs at most. A pair whose
secret did not reach the claim's Secret is worthless, so a new one begins by deleting all others.
(IAM API reference, actions CreateUser, PutUserPolicy, CreateAccessKey.)
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from .keys import Key
from .site import code_of

if TYPE_CHECKING:
    from .site import Site

POLICY = "bucket"
BUCKET_ACTIONS = ("s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads")
OBJECT_ACTIONS = (
    *("s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
    *("s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"),
)
ABSENT = "NoSuchEntity"
PRESENT = "EntityAlreadyExists"


class IamIssuer:
    """Keeps one user for each bucket."""

    warning = ""

    def __init__(self, site: Site):
        self._site = site
        self._unseen: set[str] = set()  # made here and not listed yet: AWS tells of changes late

    async def issue(self, bucket: str) -> Key:
        key = await self._site.iam(lambda iam: _issue(iam, bucket))
        self._unseen.add(key.access_key)
        return key

    async def settle(self, key: Key) -> bool:
        if await self._site.iam(lambda iam: _settle(iam, key)):
            self._unseen.discard(key.access_key)
            return True
        return key.access_key in self._unseen

    async def withdraw(self, bucket: str) -> bool:
        return await self._site.iam(lambda iam: _withdraw(iam, bucket))


def policy_for(bucket: str) -> str:
    """Return the policy document that allows work on the objects of one bucket, and nothing else."""
    resource = f"arn:aws:s3:::{bucket}"
    statements = [
        {"Effect": "Allow", "Action": list(BUCKET_ACTIONS), "Resource": resource},
        {"Effect": "Allow", "Action": list(OBJECT_ACTIONS), "Resource": f"{resource}/*"},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _issue(iam: Any, bucket: str) -> Key:
    _ensure_user(iam, bucket)
    for access_key in _access_keys(iam, bucket):
        iam.delete_access_key(UserName=bucket, AccessKeyId=access_key)
    made = iam.create_access_key(UserName=bucket)["AccessKey"]
    return Key(made["AccessKeyId"], made["SecretAccessKey"], bucket)


def _settle(iam: Any, key: Key) -> bool:
    user = str(key.bucket)
    try:
        known = _access_keys(iam, user)
    except ClientError as error:
        if code_of(error) == ABSENT:
            return False
        raise
    if key.access_key not in known:
        return False
    _ensure_policy(iam, user)
    for stale in known:
        if stale != key.access_key:
            iam.delete_access_key(UserName=user, AccessKeyId=stale)
    return True


def _withdraw(iam: Any, user: str) -> bool:
    try:
        for access_key in _access_keys(iam, user):
            iam.delete_access_key(UserName=user, AccessKeyId=access_key)
        for policy in iam.list_user_policies(UserName=user)["PolicyNames"]:
            iam.delete_user_policy(UserName=user, PolicyName=policy)
        iam.delete_user(UserName=user)
    except ClientError as error:
        if code_of(error) == ABSENT:
            return False
        raise
    return True


def _ensure_user(iam: Any, user: str) -> None:
    try:
        iam.create_user(UserName=user)
    except ClientError as error:
        if code_of(error) != PRESENT:
            raise
    _ensure_policy(iam, user)


def _ensure_policy(iam: Any, user: str) -> None:
    wanted = policy_for(user)
    try:
        found = iam.get_user_policy(UserName=user, PolicyName=POLICY)["PolicyDocument"]
    except ClientError as error:
        if code_of(error) != ABSENT:
            raise
        found = None
    if found != json.loads(wanted):
        iam.put_user_policy(UserName=user, PolicyName=POLICY, PolicyDocument=wanted)


def _access_keys(iam: Any, user: str) -> list[str]:
    listed = iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
    return [entry["AccessKeyId"] for entry in listed]
