"""Bytes of the control plane, of a bucket and of a disk, as a device reads them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import strategies as st
from inputs import (
    apply_changes,
    as_json,
    changes_of_bytes,
    json_values,
    like,
    mutations,
    text_mutations,
    texts,
)
from properties import assert_inside, assert_nothing_outside

from flotta.gateway.certificate_requests import _split_certificate
from flotta.gateway.errors import BadResponse, GatewayError, IdentityUnusable
from flotta.gateway.http_client import HttpResponse
from flotta.gateway.identity_store import IdentityStore
from flotta.gateway.inbox import deliver_data, execute_command, read_delay
from flotta.gateway.outbox import _encode_response, _parse_json
from flotta.gateway.settings import load_settings
from flotta.gateway.status_codes import explain_refusal
from flotta.gateway.workers import _is_handler
from flotta.identity.authority import Authority
from flotta.identity.requests import load_request
from flotta.protocol.models import RegistrationInfo, Workload
from flotta.sync import job, listing, paths, plan, state_db
from flotta.sync.listing import ConnectionFailedError, RemoteObject
from flotta.sync.model import DataPath, SyncError
from flotta.worker import gateway_client
from flotta.worker.configuration import parse_configuration
from flotta.worker.configuration_store import ConfigurationStore
from flotta.worker.errors import ConfigurationError, DeliveryError
from flotta.worker.events import EventQueue
from flotta.worker.own_certificate.own_certificate import OwnCertificate
from flotta.worker.own_certificate.pair_files import PairFiles
from flotta.worker.workloads.desired import build_desired
from flotta.worker.workloads.files import WorkloadFiles
from flotta.worker.workloads.pod_facts import DeviceFacts

Fuzz = Callable[..., None]
MESSAGES = Path(__file__).parents[1] / "data" / "messages"
MESSAGE = json.loads((MESSAGES / "to-agent-device-configuration.json").read_bytes())
COMMAND = json.loads((MESSAGES / "to-agent-disconnect.json").read_bytes())
SPEC = {
    "containers": [
        {
            "name": "web",
            "image": "x",
            "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
            "envFrom": [{"configMapRef": {"name": "c"}, "prefix": "P_"}],
            "ports": [{"containerPort": 80, "hostPort": 8080}],
            "volumeMounts": [{"name": "v", "mountPath": "/v"}],
        }
    ],
    "volumes": [
        {"name": "v", "secret": {"secretName": "s", "items": [{"key": "k", "path": "a/b"}]}},
        {"name": "w", "configMap": {"name": "d"}},
    ],
    "terminationGracePeriodSeconds": 5,
}
SECRETS = [{"name": "s", "data": json.dumps({"k": "AQI="})}]
CONFIG_MAP = {"metadata": {"name": "c"}, "data": {"MODE": "fast"}}
BINARY = {"metadata": {"name": "d"}, "data": {"a": "b"}, "binaryData": {"x": "AA=="}}
AUTHORITY = Authority.create("Flotta CA")
LISTING = b"""<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<IsTruncated>true</IsTruncated><EncodingType>url</EncodingType>
<NextContinuationToken>t&amp;1</NextContinuationToken>
<Contents><Key>configuration/a%2Fb</Key><Size>5</Size><ETag>"e"</ETag>
<LastModified>2026</LastModified></Contents></ListBucketResult>"""
REFUSAL = b"<Error><Code>NoSuchBucket</Code><Message>m</Message></Error>"
CONFIG = """server = "edge.example:8043"
client-id = "till-7"
cert-file = "/etc/pki/cert.pem"
key-file = "/etc/pki/key.pem"
ca-root = ["/etc/pki/ca.pem"]
path-prefix = "api/flotta-management/v1"
log-level = "info"
"""


def test_configuration_messages(fuzz: Fuzz) -> None:
    def check(content: bytes) -> None:
        try:
            message = parse_configuration(content, "till-7")
        except ConfigurationError:
            return
        again = parse_configuration(msgspec.json.encode(message))
        assert again == message

    fuzz(check, as_json(like(MESSAGE["content"])))


def test_pods_and_their_files(fuzz: Fuzz, tmp_path: Path) -> None:
    files = WorkloadFiles(tmp_path / "w", tmp_path / "volumes", tmp_path / "units")

    built: list[int] = []

    def check(spec: bytes, other: Any) -> None:
        configured = {
            "workloads": [
                {
                    "name": "web",
                    "specification": spec.decode(errors="replace"),
                    "configmaps": [json.dumps(CONFIG_MAP), json.dumps(other)],
                }
            ],
            "secrets": SECRETS,
            "configuration": {},
        }
        message = parse_configuration(json.dumps(configured).encode())
        desired = build_desired(message, DeviceFacts("till-7"), files)
        for pod in desired.pods.values():
            built[:] = [len(pod.volumes.files)]
            for path in pod.volumes.files:
                assert_inside(path)
                assert len(path.parts) >= 4  # files, digest, volume, file
            assert json.loads(pod.manifest)["kind"] == "Pod"
        for error in desired.broken.values():
            assert error.reason
            assert len(error.message) < 64 * 1024

    check(json.dumps(SPEC).encode(), BINARY)
    assert built == [3]  # of both volumes
    fuzz(check, as_json(like(SPEC)), like(BINARY))


def test_secrets(fuzz: Fuzz, tmp_path: Path) -> None:
    files = WorkloadFiles(tmp_path / "w", tmp_path / "volumes", tmp_path / "units")

    def check(data: bytes) -> None:
        workload = {"name": "web", "specification": json.dumps(SPEC)}
        secrets = [{"name": "s", "data": data.decode(errors="replace")}]
        configured = {"workloads": [workload], "secrets": secrets, "configuration": {}}
        desired = build_desired(
            parse_configuration(json.dumps(configured).encode()), DeviceFacts("till-7"), files
        )
        for pod in desired.pods.values():
            for path in pod.volumes.files:
                assert_inside(path)

    fuzz(check, as_json(like({"k": "AQI=", "../x": "AQI="})))


def test_names_of_workloads(fuzz: Fuzz, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    files = WorkloadFiles(state / "w", state / "volumes", state / "units")

    def check(name: str) -> None:
        content = {"workloads": [msgspec.to_builtins(Workload(name=name, specification="{}"))]}
        try:
            message = parse_configuration(json.dumps({**content, "configuration": {}}).encode())
        except ConfigurationError:
            return
        desired = build_desired(message, DeviceFacts("till-7"), files)
        assert set(desired.pods) | set(desired.broken) == {name}
        assert_nothing_outside(tmp_path, state)

    fuzz(check, texts())


def test_messages_and_commands(fuzz: Fuzz) -> None:
    done: list[object] = []
    workers: Any = SimpleNamespace(deliver=lambda data: bool(done.append(data)))

    async def handle(_: object, arguments: dict[str, str]) -> None:
        assert 0 <= read_delay(arguments) <= 3600

    def check(body: bytes) -> None:
        for read in (
            lambda: deliver_data(body, workers),
            lambda: execute_command(body, {"reconnect": handle, "disconnect": handle}),
        ):
            try:
                asyncio.run(read())
            except ValueError:
                continue

    reconnect = {
        "type": "command",
        "content": {"command": "reconnect", "arguments": {"delay": "5"}},
    }
    fuzz(check, as_json(like(MESSAGE, COMMAND, reconnect)))


def test_responses(fuzz: Fuzz) -> None:
    issued = {
        "content": {"certificate": "-----BEGIN CERTIFICATE-----"},
        "directive": "registration",
    }

    def check(body: bytes, retry: str) -> None:
        with contextlib.suppress(BadResponse):
            _split_certificate(body)
        response = HttpResponse(403, {"retry-after": retry}, body)
        assert response.retry_after >= 0
        explain_refusal(response, "till-7")
        forwarded = _encode_response(response)
        gateway_client._parse_response(forwarded, "heartbeat")
        with contextlib.suppress(DeliveryError):
            assert (gateway_client._parse_response(body, "heartbeat").retry_after or 0) >= 0
        with contextlib.suppress(ValueError):
            _parse_json(body)

    fuzz(check, as_json(like(issued, {"reason": "UnknownDevice"}, {"status": 200})), texts())


def test_names_of_local_workers(fuzz: Fuzz) -> None:
    def check(name: str) -> None:
        if _is_handler(name):
            assert_inside(f"{name}.sock")
            assert "/" not in name

    fuzz(check, texts())


def test_certificates(fuzz: Fuzz, tmp_path: Path) -> None:
    registration = AUTHORITY.issue_registration()
    for name, data in (("c", registration.certificate), ("k", registration.key)):
        (tmp_path / name).write_bytes(data)
    (tmp_path / "ca").write_bytes(AUTHORITY.certificate_pem)
    places = (tmp_path / "device", (tmp_path / "c", tmp_path / "k"), (tmp_path / "ca",), "till-7")
    store = IdentityStore(*places)
    csr = load_request(store.ensure_pending_key().sign_request("till-7"))
    genuine = AUTHORITY.sign_device(csr, "till-7", "default", "uid", 1)

    def check(pem: bytes) -> None:
        with contextlib.suppress(IdentityUnusable):
            store.install(pem)
        assert store.load_current().peer.kind in ("device", "registration")

    fuzz(check, mutations(genuine, registration.certificate))


def test_responses_with_a_certificate_for_the_worker(fuzz: Fuzz, tmp_path: Path) -> None:
    """Where the gateway leaves key and certificate to its workers: only a good one is written."""
    authority = Authority.create("Flotta CA")
    pair = authority.issue_registration()
    cert_file, key_file = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert_file.write_bytes(pair.certificate)
    key_file.write_bytes(pair.key)
    own = OwnCertificate(PairFiles(tmp_path, cert_file, key_file), [], "till-7")
    sample = {"content": {"certificate": pair.certificate.decode(), "ca_bundle": ""}}

    def check(body: object) -> None:
        with pytest.raises(DeliveryError):
            asyncio.run(own.take(RegistrationInfo(), 200, body))
        assert (cert_file.read_bytes(), key_file.read_bytes()) == (pair.certificate, pair.key)

    fuzz(check, st.one_of(json_values(), like(sample)))


def test_identities_on_a_damaged_disk(fuzz: Fuzz, tmp_path: Path) -> None:
    registration = AUTHORITY.issue_registration()
    places = (tmp_path / "device", (tmp_path / "c", tmp_path / "k"), (tmp_path / "ca",), "till-7")

    def check(certificate: bytes, key: bytes) -> None:
        (tmp_path / "c").write_bytes(certificate)
        (tmp_path / "k").write_bytes(key)
        (tmp_path / "ca").write_bytes(key)
        store = IdentityStore(*places)
        with contextlib.suppress(GatewayError):
            store.load_current()
        store.rewrite_keys()
        store.ensure_pending_key()

    fuzz(check, mutations(registration.certificate), mutations(registration.key))


def test_listings_of_a_bucket(fuzz: Fuzz) -> None:
    def check(page: bytes) -> None:
        try:
            listing._next_token(page)
            for found in listing.parse_objects([page]):
                assert found.size >= 0
        except ConnectionFailedError:
            pass
        code, message = listing.parse_error(page, 403)
        assert code
        assert isinstance(message, str)

    encoded = LISTING.replace(b'"1.0"', b'"1.0" encoding="big5"')
    negative = LISTING.replace(b"<Size>5", b"<Size>-5")
    fuzz(check, mutations(LISTING, REFUSAL, encoded, negative))


def test_keys_become_paths_below_the_export_directory(fuzz: Fuzz) -> None:
    def check(key: str, configured: str) -> None:
        for source, target in (("configuration", configured), (configured, "config"), ("", "")):
            try:
                path = paths.path_of_key(source, target, key)
            except paths.NameRefusedError:
                continue
            assert_inside(path)
            assert len(path.encode()) <= paths.PATH_LIMIT
            try:
                assert paths.path_of_key(source, target, paths.key_below(source, key)) is not None
            except paths.NameRefusedError:
                continue

    fuzz(check, text_mutations("configuration/a/b", "a"), text_mutations("config", "a/./b"))


def test_plans_of_downloads(fuzz: Fuzz) -> None:
    def check(key: str, etag: str) -> None:
        skipped: list[object] = []
        plan_ = plan.DownloadPlan({}, {}, skipped.append)
        objects = [RemoteObject(key, 5, etag, "2026"), RemoteObject(f"a/{key}", 5, etag, "2026")]
        plan_.add(DataPath("a", "b"), objects, target_exists=True)
        for item in plan_.fetch:
            assert_inside(item.path)

    fuzz(check, texts(), texts())


def test_configured_directories(fuzz: Fuzz) -> None:
    def check(text: str, name: str) -> None:
        for read in (
            lambda: paths.normalize_directory(text),
            lambda: paths.listing_prefix(text),
            lambda: paths.check_workload_name(name),
        ):
            try:
                assert_inside(read())
            except paths.NameRefusedError:
                continue
        with contextlib.suppress(paths.NameRefusedError):
            paths.key_of_single_file(text, name)

    fuzz(check, text_mutations("a/b/", "."), texts())


def test_messages_of_the_transferring_child(fuzz: Fuzz) -> None:
    outcome = {"type": "outcome", "number": 1, "result": "done", "stat": [1, 2, 3, 4]}

    fatal = {"type": "fatal", "message": "m", "kind": "network"}
    request = {"number": 1, "action": "open", "size": 5, "offset": 0}

    def check(line: bytes) -> None:
        with contextlib.suppress(ValueError, SyncError):
            job.decode_message(line)
        with contextlib.suppress(msgspec.DecodeError):
            job.decode_file_request(line)

    fuzz(check, as_json(like(outcome, fatal, request)))


def test_state_files_of_the_worker(fuzz: Fuzz, tmp_path: Path) -> None:
    store = ConfigurationStore(tmp_path)
    store.save(json.dumps(MESSAGE["content"]).encode())
    sealed = store.current.read_bytes()
    record = b'{"digest": "x", "data": null, "format": 2}'
    files = WorkloadFiles(tmp_path / "w", tmp_path / "volumes", tmp_path / "units")
    (tmp_path / "w" / "web").mkdir(parents=True)

    def check(data: bytes) -> None:
        (tmp_path / "configuration").write_bytes(data)
        (tmp_path / "configuration.previous").write_bytes(data[::-1])
        store.load()
        (tmp_path / "events.json").write_bytes(data)
        EventQueue(tmp_path / "events.json").next_batch()
        (tmp_path / "w" / "web" / "workload.json").write_bytes(data)
        assert set(files.list_installed()) == {"web"}

    events = b'[{"reason": "R", "message": "m", "type": "warn", "workload": "w"}]'
    fuzz(check, mutations(sealed, record, events))


def test_a_damaged_database_of_the_synchronisation(fuzz: Fuzz, tmp_path: Path) -> None:
    path = tmp_path / "sync.db"
    database = state_db.StateDatabase(path)
    database.load_statuses()
    database.close()
    whole = path.read_bytes()

    def check(changes: list[tuple[int, int, bytes]]) -> None:
        for left in tmp_path.iterdir():
            left.unlink()
        path.write_bytes(apply_changes(whole, changes))
        opened = state_db.StateDatabase(path)
        opened.load_statuses()
        opened.load_records("web", "up")
        opened.close()

    fuzz(check, changes_of_bytes())


def test_the_configuration_file_of_the_gateway(fuzz: Fuzz, tmp_path: Path) -> None:
    config, tags = tmp_path / "config.toml", tmp_path / "tags.toml"

    def check(text: bytes, tagged: bytes) -> None:
        config.write_bytes(text)
        tags.write_bytes(tagged)
        try:
            settings = load_settings(config, tags)
        except ValueError:
            return
        assert 0 < settings.port < 65536
        assert all(isinstance(value, str) for value in settings.tags.values())

    fuzz(check, mutations(CONFIG.encode()), mutations(b'namespace = "default"\nn = 5\n'))


def test_any_json_is_one_value_for_the_outbox(fuzz: Fuzz) -> None:
    def check(value: Any) -> None:
        assert msgspec.json.decode(_parse_json(json.dumps(value).encode())) is not pytest

    fuzz(check, st.one_of(json_values(), st.none()))
