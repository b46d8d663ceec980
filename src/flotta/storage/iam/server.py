"""The part of the AWS IAM query API by which a remote operator gets keys of the embedded S3 server.

Every request must be signed with the administrator's key. State is kept in the key directory.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from aiohttp import web

from flotta.identity.ssl_contexts import open_server_context
from flotta.serving.http_server import HttpServer
from flotta.serving.limits import Limits
from flotta.storage.iam import responses
from flotta.storage.iam.policies import BadPolicy
from flotta.storage.iam.signatures import SignedHttpRequest, Unsigned, verify_signature
from flotta.storage.iam.users import IamError, Users
from flotta.storage.key_store import read_key
from flotta.storage.rclone_supervisor import S3ServerSettings

CONNECTIONS = 128  # at once; one operator uses up to ten
MAX_BODY = 64 * 1024  # bytes of a request
RENEWAL_CHECK = 5.0  # seconds between two checks of the certificate
log = logging.getLogger(__name__)
Form = Mapping[str, str]


class IamServer:
    """Serves one key directory; `address` is known after `start`."""

    def __init__(self, settings: S3ServerSettings, listen: str) -> None:
        self._settings = settings
        self._listen = listen
        self._users = Users(settings.keys)
        self._turn = asyncio.Lock()
        self._context = open_server_context(settings.certificate, settings.private_key)
        application = web.Application(client_max_size=MAX_BODY)
        application.router.add_post("/", self._handle)
        self._http = HttpServer(application, "flotta-s3", Limits(CONNECTIONS, CONNECTIONS // 2))
        self._renewal: asyncio.Task[None] | None = None
        self.address = ""

    async def start(self) -> None:
        """Listen on `host:port`; raises OSError when it cannot."""
        host, _, port = self._listen.rpartition(":")
        address = host.strip("[]")
        bound_port = await self._http.start(address, int(port), self._context)
        self._renewal = asyncio.create_task(self._follow_certificate())
        self.address = f"https://{address}:{bound_port}"
        log.info("Starting IAM server on [%s]", self.address)

    async def stop(self) -> None:
        """Finish the requests that are being served and close."""
        if self._renewal is not None:
            self._renewal.cancel()
        await self._http.stop()

    async def _handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            self._require_administrator(request, body)
            form = {name: str(value) for name, value in (await request.post()).items()}
            async with self._turn:
                data = await asyncio.to_thread(self._run_action, form)
        except Unsigned as error:
            return self._refuse(request, 403, error.code, str(error))
        except IamError as error:
            return self._refuse(request, error.status, error.code, str(error))
        except BadPolicy as error:
            return self._refuse(request, 400, "MalformedPolicyDocument", str(error))
        return web.Response(body=data, content_type="text/xml")

    def _refuse(self, request: web.Request, status: int, code: str, message: str) -> web.Response:
        log.info("%s: %d %s: %s", request.remote, status, code, message)
        body = responses.error_document(code, message)
        return web.Response(status=status, body=body, content_type="text/xml")

    def _require_administrator(self, request: web.Request, body: bytes) -> None:
        headers = tuple((name.lower(), value) for name, value in request.headers.items())
        url = f"https://{request.host}{request.raw_path}"
        signed = SignedHttpRequest(request.method, url, headers, body)
        access_key = verify_signature(signed, "iam", self._secret_of, datetime.now(UTC))
        key = read_key(self._settings.keys, access_key)
        if key is None or key.bucket is not None:
            raise Unsigned("AccessDenied", "only the administrator's key may manage users")

    def _secret_of(self, access_key: str) -> str | None:
        key = read_key(self._settings.keys, access_key)
        return key.secret_key if key else None

    def _run_action(self, form: Form) -> bytes:
        action, name = form.get("Action", ""), form.get("UserName", "")
        method = self._actions.get(action)
        if method is None:
            raise IamError(400, "InvalidAction", f"this server does not know {action!r}")
        result = method(self, name, form)
        log.info("%s %s", action, name)
        return responses.success_document(action, result)

    def _create_user(self, name: str, _: Form) -> responses.Fields:
        return {"User": responses.user_fields(self._users.create(name))}

    def _delete_user(self, name: str, _: Form) -> None:
        self._users.delete(name)

    def _put_policy(self, name: str, form: Form) -> None:
        policy, document = form.get("PolicyName", ""), form.get("PolicyDocument", "")
        self._users.put_policy(name, policy, document)

    def _get_policy(self, name: str, form: Form) -> responses.Fields:
        policy = form.get("PolicyName", "")
        return responses.policy_fields(name, policy, self._users.get_policy(name, policy))

    def _list_policies(self, name: str, _: Form) -> responses.Fields:
        return {"PolicyNames": sorted(self._users.get(name).policies), "IsTruncated": "false"}

    def _delete_policy(self, name: str, form: Form) -> None:
        self._users.delete_policy(name, form.get("PolicyName", ""))

    def _create_key(self, name: str, _: Form) -> responses.Fields:
        key = self._users.create_key(name)
        created = self._users.get(name).keys[key.access_key]
        return {"AccessKey": responses.new_key_fields(name, key, created)}

    def _list_keys(self, name: str, _: Form) -> responses.Fields:
        keys = self._users.get(name).keys
        listed = [
            responses.listed_key_fields(name, key_id, keys[key_id]) for key_id in sorted(keys)
        ]
        return {"AccessKeyMetadata": listed, "IsTruncated": "false"}

    def _delete_key(self, name: str, form: Form) -> None:
        self._users.delete_key(name, form.get("AccessKeyId", ""))

    _actions: Mapping[str, Callable[[IamServer, str, Form], responses.Fields | None]] = {
        "CreateUser": _create_user,
        "DeleteUser": _delete_user,
        "PutUserPolicy": _put_policy,
        "GetUserPolicy": _get_policy,
        "ListUserPolicies": _list_policies,
        "DeleteUserPolicy": _delete_policy,
        "CreateAccessKey": _create_key,
        "ListAccessKeys": _list_keys,
        "DeleteAccessKey": _delete_key,
    }

    async def _follow_certificate(self) -> None:
        """Load the certificate again when it is renewed; open connections stay."""
        files = (self._settings.certificate, self._settings.private_key)
        seen = [path.stat().st_mtime_ns for path in files]
        while True:
            await asyncio.sleep(RENEWAL_CHECK)
            try:
                now = [path.stat().st_mtime_ns for path in files]
                if now != seen:
                    self._context.load_cert_chain(*files)
                    seen = now
            except (OSError, ValueError) as error:
                log.warning("The renewed certificate is not usable yet: %s", error)
