"""Access keys from an AWS IAM query API: for each bucket a user of its name with one policy.

IAM shows a secret only once, at CreateAccessKey, and allows a user two keys. A key whose secret did
not reach the claim's Secret is useless, so all others are deleted before a new one is created.
(IAM API reference, actions CreateUser, PutUserPolicy, CreateAccessKey.)

The permissions that the administrator needs:
docs/how-to/provide-storage.md#permissions-of-the-administrators-access-key.
"""

from __future__ import annotations

import json

from botocore.exceptions import ClientError

from flotta.storage.access_keys import AccessKey
from flotta.storage.aws import IamClient, PolicyDocument, Statement
from flotta.storage.s3_site import S3Site, error_code

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

    def __init__(self, site: S3Site) -> None:
        self._site = site
        self._unseen: set[str] = set()  # created here, not listed yet: AWS lists changes late

    async def has_keys(self, bucket: str) -> bool:
        """Tell whether a user of the bucket's name exists, with keys or without."""
        return await self._site.call_iam(lambda iam: _user_exists(iam, bucket))

    async def issue_key(self, bucket: str) -> AccessKey:
        """Create the bucket's user if it does not exist, and a new key; delete its other keys."""
        key = await self._site.call_iam(lambda iam: _issue_key(iam, bucket))
        self._unseen.add(key.access_key)
        return key

    async def activate_key(self, key: AccessKey) -> bool:
        """Delete every other key of the bucket's user; False when IAM does not list this one.

        A key that was created here is valid until IAM has listed it once.
        """
        if await self._site.call_iam(lambda iam: _activate_key(iam, key)):
            self._unseen.discard(key.access_key)
            return True
        return key.access_key in self._unseen

    async def revoke_keys(self, bucket: str, known: AccessKey | None = None) -> bool:
        """Delete the bucket's user with its keys; False when there was none."""
        return await self._site.call_iam(lambda iam: _revoke_keys(iam, bucket))


def policy_for(bucket: str) -> str:
    """Return the policy document that allows access to the objects of one bucket, and no more."""
    resource = f"arn:aws:s3:::{bucket}"
    statements: list[Statement] = [
        {"Effect": "Allow", "Action": list(BUCKET_ACTIONS), "Resource": resource},
        {"Effect": "Allow", "Action": list(OBJECT_ACTIONS), "Resource": f"{resource}/*"},
    ]
    document: PolicyDocument = {"Version": "2012-10-17", "Statement": statements}
    return json.dumps(document)


def _user_exists(iam: IamClient, user: str) -> bool:
    try:
        _list_access_keys(iam, user)  # GetUser would be one more permission
    except ClientError as error:
        if error_code(error) == ABSENT:
            return False
        raise
    return True


def _issue_key(iam: IamClient, bucket: str) -> AccessKey:
    _ensure_user(iam, bucket)
    for access_key in _list_access_keys(iam, bucket):
        iam.delete_access_key(UserName=bucket, AccessKeyId=access_key)
    made = iam.create_access_key(UserName=bucket)["AccessKey"]
    return AccessKey(made["AccessKeyId"], made["SecretAccessKey"], bucket)


def _activate_key(iam: IamClient, key: AccessKey) -> bool:
    user = str(key.bucket)
    try:
        known = _list_access_keys(iam, user)
    except ClientError as error:
        if error_code(error) == ABSENT:
            return False
        raise
    if key.access_key not in known:
        return False
    _ensure_policy(iam, user)
    for stale in known:
        if stale != key.access_key:
            iam.delete_access_key(UserName=user, AccessKeyId=stale)
    return True


def _revoke_keys(iam: IamClient, user: str) -> bool:
    try:
        for access_key in _list_access_keys(iam, user):
            iam.delete_access_key(UserName=user, AccessKeyId=access_key)
        for policy in iam.list_user_policies(UserName=user)["PolicyNames"]:
            iam.delete_user_policy(UserName=user, PolicyName=policy)
        iam.delete_user(UserName=user)
    except ClientError as error:
        if error_code(error) == ABSENT:
            return False
        raise
    return True


def _ensure_user(iam: IamClient, user: str) -> None:
    try:
        iam.create_user(UserName=user)
    except ClientError as error:
        if error_code(error) != PRESENT:
            raise
    _ensure_policy(iam, user)


def _ensure_policy(iam: IamClient, user: str) -> None:
    wanted = policy_for(user)
    try:
        found = iam.get_user_policy(UserName=user, PolicyName=POLICY)["PolicyDocument"]
        present = found == json.loads(wanted)
    except ClientError as error:
        if error_code(error) != ABSENT:
            raise
        present = False
    if not present:
        iam.put_user_policy(UserName=user, PolicyName=POLICY, PolicyDocument=wanted)


def _list_access_keys(iam: IamClient, user: str) -> list[str]:
    listed = iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
    return [item["AccessKeyId"] for item in listed]
