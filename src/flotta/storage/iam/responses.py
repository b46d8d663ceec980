"""Response documents of the IAM query API in XML (IAM API reference, version 2010-05-08)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, tostring

from flotta.storage.access_keys import AccessKey
from flotta.storage.iam.users import User

NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"
ACCOUNT = "000000000000"
Fields = Mapping[str, "str | Fields | Sequence[str | Fields]"]


def success_document(action: str, result: Fields | None = None) -> bytes:
    """Return the response to an action; lists become `member` elements."""
    root = Element(f"{action}Response", xmlns=NAMESPACE)
    if result is not None:
        _fill_element(SubElement(root, f"{action}Result"), result)
    _fill_element(root, {"ResponseMetadata": {"RequestId": str(uuid.uuid4())}})
    return _serialize(root)


def error_document(code: str, message: str) -> bytes:
    """Return the response to a refused request."""
    root = Element("ErrorResponse", xmlns=NAMESPACE)
    error = {"Type": "Sender", "Code": code, "Message": message}
    _fill_element(root, {"Error": error, "RequestId": str(uuid.uuid4())})
    return _serialize(root)


def user_fields(found: User) -> Fields:
    """Return a user as CreateUser responds with it."""
    return {
        "Path": "/",
        "UserName": found.name,
        "UserId": found.name,
        "Arn": f"arn:aws:iam::{ACCOUNT}:user/{found.name}",
        "CreateDate": found.created,
    }


def new_key_fields(name: str, key: AccessKey, created: str) -> Fields:
    """Return an access key as CreateAccessKey responds with it, including its secret."""
    return {**listed_key_fields(name, key.access_key, created), "SecretAccessKey": key.secret_key}


def listed_key_fields(name: str, key_id: str, created: str) -> Fields:
    """Return an access key as ListAccessKeys lists it."""
    return {"UserName": name, "AccessKeyId": key_id, "Status": "Active", "CreateDate": created}


def policy_fields(name: str, policy_name: str, document: str) -> Fields:
    """Return a policy as GetUserPolicy responds with it; the document is URL encoded (RFC 3986)."""
    return {
        "UserName": name,
        "PolicyName": policy_name,
        "PolicyDocument": quote(document, safe=""),
    }


def _fill_element(parent: Element, fields: Fields) -> None:
    for name, value in fields.items():
        element = SubElement(parent, name)
        if isinstance(value, str):
            element.text = value
        elif isinstance(value, Mapping):
            _fill_element(element, value)
        else:
            for item in value:
                _add_member(element, item)


def _add_member(parent: Element, item: str | Fields) -> None:
    member = SubElement(parent, "member")
    if isinstance(item, str):
        member.text = item
    else:
        _fill_element(member, item)


def _serialize(root: Element) -> bytes:
    data: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return data
