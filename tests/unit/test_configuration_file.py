"""The file of a configuration: what is taken, what is refused, and that no value is repeated."""

from __future__ import annotations

import json

import pytest
import yaml

from flotta.configuration_api.configuration_file import MAX_BYTES, parse_configuration

SECRET = "c2VjcmV0LXZhbHVl"
POD = {"containers": [{"name": "web", "image": "registry.example.com/web:1"}]}


def parse(text: str, *, is_json: bool = False, device: str = "till-1"):
    return parse_configuration(text.encode(), device, is_json=is_json)


def refused(content: object) -> str:
    with pytest.raises(ValueError, match=r"^the |must be") as caught:
        parse(yaml.safe_dump(content))
    return str(caught.value)


def workload(**fields: object) -> dict[str, object]:
    return {"workloads": [{"name": "web", "specification": POD, **fields}]}


def pod(**fields: object) -> dict[str, object]:
    container = {**POD["containers"][0], **fields}
    present = {key: value for key, value in container.items() if value is not None}
    return workload(specification={"containers": [present]})


def heartbeat(seconds: int) -> dict[str, object]:
    return {"configuration": {"heartbeat": {"period_seconds": seconds}}}


def test_what_is_text_in_the_message_may_be_written_as_it_is() -> None:
    config_map = {"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"key": "value"}}
    message = parse(
        yaml.safe_dump(
            {
                **workload(configmaps=[config_map]),
                "secrets": [{"name": "s", "data": {"password": SECRET}}],
            }
        )
    )
    assert message.workloads
    assert message.secrets
    assert yaml.safe_load(message.workloads[0].specification) == POD
    assert yaml.safe_load(message.workloads[0].configmaps[0]) == config_map
    assert json.loads(message.secrets[0].data) == {"password": SECRET}


def test_text_is_taken_as_the_message_has_it() -> None:
    text = json.dumps(
        {
            "device_id": "till-1",
            "version": "of an earlier get",
            "workloads": [{"name": "web", "specification": yaml.safe_dump(POD)}],
            "secrets": [{"name": "s", "data": json.dumps({"password": SECRET})}],
        }
    )
    message = parse(text, is_json=True)
    assert message.secrets
    assert json.loads(message.secrets[0].data) == {"password": SECRET}


def test_a_configuration_may_be_empty_on_purpose() -> None:
    assert parse("workloads: []").workloads == []


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ([], "the file must be an object"),
        ({"workload": []}, "workload: the field is unknown; did you mean workloads?"),
        ({"workloads": {}}, "workloads must be a list"),
        ({"configuration": {"heartbeat": {"period": 1}}}, "configuration.heartbeat.period: the"),
        (workload(specifications=POD), "workloads[0].specifications: the field is unknown"),
        (
            {"configuration": {"heartbeat": {"period_seconds": "often"}}},
            "Expected `int`, got `str`",
        ),
        ({"device_id": "till-2"}, "device_id: it is that of another device"),
        ({"inputs_version": {}}, "inputs_version: it belongs to the resource API"),
        ({"workloads": [{"name": "Web", "specification": POD}]}, "workloads[0].name: it must be"),
        ({"workloads": [workload()["workloads"][0]] * 2}, "workloads[1].name: an item before"),
        (workload(specification="containers: ["), "workloads[0].specification: it is not the YAML"),
        (workload(specification={"containers": []}), "workloads[0].specification: it is not the"),
        (
            workload(specification={**POD, "nodeSelector": {"disk": "ssd"}}),
            "workloads[0].specification.nodeSelector: ",
        ),
        (workload(specification={**POD, "containrs": []}), "specification.containrs: this release"),
        (workload(configmaps=["- a list"]), "workloads[0].configmaps[0]: it is not the YAML"),
        (workload(log_collection="syslog"), "workloads[0].log_collection: configuration."),
        ({"configuration": {"log-collection": {"a": {"kind": "x"}}}}, "log-collection.a: it needs"),
        (
            {"secrets": [{"name": "s", "data": {"k": "not base64!"}}]},
            "secrets[0].data.k: it is not",
        ),
        (
            {"secrets": [{"name": "s", "data": "no object"}]},
            "secrets[0].data: it must be an object",
        ),
        ({"secrets": [{"name": "s", "data": {"k": 7}}]}, "secrets[0].data: it must be an object"),
        (
            {"configuration": {"storage": {"s3": {"aws_secret_access_key": "a-b!"}}}},
            "configuration.storage.s3.aws_secret_access_key: it is not base64",
        ),
        (pod(image=None), "specification.containers[0].image: it is missing"),
        (pod(name=None), "specification.containers[0].name: it is missing"),
        (pod(name=7), "specification.containers[0].name: it must be of type string"),
        (pod(image=["x"]), "specification.containers[0].image: it must be of type string"),
        (pod(env=5), "specification.containers[0].env: it must be of type array"),
        (
            workload(specification={"containers": POD["containers"] * 2}),
            "specification.containers[1]: an item before it has the same name",
        ),
        (workload(specification={**POD, "volumes": 7}), "specification.volumes: it must be of"),
        (workload(data={"egress": [{"source": "logs"}]}), "workloads[0].data.egress[0].target: it"),
        (workload(data={"retention": "ever"}), 'workloads[0].data.retention: use one of "Delete"'),
        (workload(configmaps=[{"metadata": {"name": "c"}}]), "configmaps[0]: it is not the YAML"),
        (workload(configmaps=[{"kind": "ConfigMap"}]), "a ConfigMap with a name in metadata.name"),
        (workload(specification="containers: [{name: a, name: b}]"), "a key is there twice"),
        (heartbeat(-5), "configuration.heartbeat.period_seconds: it must be a number from 0"),
        (heartbeat(2**63), "configuration.heartbeat.period_seconds: it must be a number from 0"),
        ({"secrets": ["text"]}, "Expected `object`, got `str` - at `$.secrets[0]`"),
    ],
)
def test_a_mistake_is_named_with_its_place(content: object, sentence: str) -> None:
    assert sentence in refused(content)


@pytest.mark.parametrize("key", ["on", "yes", "no", "true", "null", "1", "~", "[a]"])
def test_a_key_that_is_not_text_is_named_with_its_place(key: str) -> None:
    with pytest.raises(ValueError, match=r"a key is not text; quote it \(line 2, column 25\)"):
        parse(f"secrets:\n- {{name: web, data: {{ ? {key} : aGk=}}}}")
    assert parse(f"secrets: [{{name: web, data: {{'{key}': aGk=}}}}]").secrets


@pytest.mark.parametrize(
    ("text", "is_json"),
    [
        ("workloads: []\nworkloads: []", False),
        ("secrets: [{name: s, data: {a: eA==, 'a': eA==}}]", False),
        ('{"workloads": [], "workloads": []}', True),
    ],
)
def test_a_key_that_is_there_twice_is_refused(text: str, is_json: bool) -> None:
    with pytest.raises(ValueError, match="a key is there twice"):
        parse(text, is_json=is_json)


def test_a_key_that_a_merge_brings_may_be_there_again() -> None:
    parse("configuration: {heartbeat: {<<: {period_seconds: 5}, period_seconds: 6}}")


def test_all_mistakes_are_named_at_once() -> None:
    text = refused({"workloads": [{"nam": "a"}, {"specificaton": "b"}], "secret": []})
    assert all(name in text for name in ("workloads[0].nam:", "[1].specificaton:", "secret:"))


def test_mistakes_without_end_are_counted() -> None:
    text = refused({f"field-{number}": 1 for number in range(1000)})
    assert "and 980 more" in text
    assert len(text.splitlines()) == 22


@pytest.mark.parametrize(
    "text",
    [
        f"secrets: [{{name: s, data: {{k: '{SECRET}'}}}}",  # a bracket is missing
        f"secrets:\n- name: s\n  data: *{SECRET}\n",
        f"secrets:\n- name: s\n  data: !{SECRET} x\n",
        f"secrets:\n- name: s\n  data: &{SECRET} [*{SECRET}]\n",
        f"secrets:\n- name: s\n  data: |\n {SECRET}\n\t{SECRET}",
        f"secrets:\n- {{name: s, data: {{k: [{SECRET}]}}}}",
        f"secrets:\n- {{name: {SECRET}_X, data: {{}}}}",
        f"secrets:\n- {{name: s, data: {{k: {SECRET}?}}}}",
        f"secrets:\n- {{name: s, data: '{SECRET}'}}",
        f"workloads:\n- {{name: w, specification: '{SECRET}'}}",
        f"workloads:\n- {{name: w, specification: {{containers: {SECRET}}}}}",
        f"configuration: {SECRET}",
        f"{SECRET}",
    ],
)
@pytest.mark.parametrize("is_json", [False, True])
def test_no_value_is_repeated(text: str, is_json: bool) -> None:
    with pytest.raises(ValueError, match="the ") as caught:
        parse(text, is_json=is_json)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("is_json", [False, True])
def test_a_file_that_is_too_large_is_refused(is_json: bool) -> None:
    with pytest.raises(ValueError, match="larger than"):
        parse(" " * (MAX_BYTES + 1), is_json=is_json)


@pytest.mark.parametrize("is_json", [False, True])
def test_a_file_that_is_nested_too_deeply_is_refused(is_json: bool) -> None:
    with pytest.raises(ValueError, match="nested"):
        parse("[" * 5000 + "]" * 5000, is_json=is_json)


def test_a_file_that_is_small_but_large_in_value_is_refused() -> None:
    bomb = "a0: &a0 [x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
    )
    with pytest.raises(ValueError, match="more than"):
        parse(bomb)
