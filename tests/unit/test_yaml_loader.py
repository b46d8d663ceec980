"""YAML whose value is excessive is refused before it is built, wherever text of others arrives."""

from __future__ import annotations

import pytest
import yaml

from flotta.worker.errors import WorkloadError
from flotta.worker.workloads import pod_spec
from flotta.yaml_loader import MAX_BYTES, MAX_DEPTH, load_yaml

DOUBLED = "a: &a [x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)},*{chr(97 + n)}]\n" for n in range(20)
)
BOMBS = {
    "brackets": "[" * 100_000,
    "indented sequences": "- " * 50_000 + "x",
    "keys of keys": "? " * 50_000 + "x",
    "aliases": DOUBLED,
    "merged maps": "a: &a {x: 1}\n"
    + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} {{<<: [*{chr(97 + n)}, *{chr(97 + n)}]}}\n"
        for n in range(20)
    ),
    "an alias of a long text": f"a: &a {'x' * 100_000}\nb: [{','.join(['*a'] * 40)}]",
    "an alias within itself": "a: &a [*a]",
    "many values": "[" + "1," * 200_000 + "]",
    "a long text": "x" * (MAX_BYTES + 1),
    "a number of many digits": "9" * 5000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_an_excessive_value_is_refused(name: str) -> None:
    with pytest.raises(yaml.YAMLError):
        load_yaml(BOMBS[name])


def test_what_people_write_is_read() -> None:
    assert load_yaml("a: &a [1, x]\nb: *a\nc: {<<: {d: 2}}") == {
        "a": [1, "x"],
        "b": [1, "x"],
        "c": {"d": 2},
    }
    depth = MAX_DEPTH - 1
    assert load_yaml("[" * depth + "]" * depth) is not None


def test_only_types_of_json_are_read() -> None:
    assert load_yaml("[22:22, 1:2:3.5, 2020-01-01, 0x10, -3, 1.5]") == [
        "22:22",
        "1:2:3.5",
        "2020-01-01",
        16,
        -3,
        1.5,
    ]


def test_a_number_to_the_base_60_takes_no_time() -> None:
    """PyYAML multiplied 50,000 times with ever longer numbers."""
    assert isinstance(load_yaml("1:" * 50_000 + "1"), str)


def test_a_bomb_in_a_workload_is_a_broken_workload() -> None:
    with pytest.raises(WorkloadError):
        pod_spec._load_mapping(DOUBLED, "the specification")
