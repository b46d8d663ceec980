"""Commands and manifests on the pages are ones that the programs take."""

from __future__ import annotations

import contextlib
import functools
import importlib
import itertools
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import yaml
from crd_fields import crd_fields
from pages import ROOT, Block, blocks, inline_code, name_of, pages

from crd_schemas import schemas_by_kind
from flotta.apiserver.schema.structural import StructuralSchema
from flotta.resources import crds

SHELL = ("", "sh", "bash", "shell", "console")
PROGRAMS = (
    *("flotta", "flotta-apiserver", "flotta-s3", "flotta-operator", "flotta-edge-api"),
    "flotta-configuration-api",
)
# Placeholders of the pages, as NAME or <name>.
PLACEHOLDER = re.compile(r"<[^<>\s]+>|\.\.\.|…")
VERB = re.compile(
    "annotate|api-resources|apply|auth|certificate|config|cp|create|delete|describe|diff|edit|exec|"
    "explain|get|label|logs|patch|port-forward|replace|rollout|scale|set|wait"
)
taken_by_kubectl: set[tuple[str, ...]] = set()  # verb and options that were parsed
REDIRECTION = re.compile(r"^\d?[<>]")
COLLECTION = ROOT / "collections/ansible_collections/flotta/edge"
GROUP = "management.project-flotta.io"


def shell_lines(block: Block) -> Iterator[str]:
    """Yield the commands of a block, each in one line, without what they print."""
    text = block.text.replace("\\\n", " ")
    lines = text.splitlines()
    prompted = [line[2:] for line in lines if line.startswith("$ ")]
    yield from prompted or lines


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the words of every command on a page, in a block or in backticks."""
    texts = [
        line for block in blocks(page) if block.language in SHELL for line in shell_lines(block)
    ]
    for text in [*texts, *inline_code(page)]:
        for part in re.split(r"[|;&()]+", PLACEHOLDER.sub("x", text)):
            try:
                words = shlex.split(part, comments=True)
            except ValueError:
                continue
            words = list(itertools.takewhile(lambda word: not REDIRECTION.match(word), words))
            while words and re.match(r"^\w+=", words[0]):
                words = words[1:]
            if words:
                yield [words[0].rsplit("/", 1)[-1], *words[1:]]


def make_targets() -> set[str]:
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    return set(phony[1].split())


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_make_targets_exist(page: Path) -> None:
    for program, *words in commands(page):
        if program == "make":
            targets = [word for word in words if "=" not in word]
            assert set(targets) <= make_targets(), words


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_our_programs_take_the_arguments(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for program, *words in commands(page):
        if program in PROGRAMS and words:
            with contextlib.suppress(SystemExit):
                run_without_effect([program, *words], monkeypatch)
            error = capsys.readouterr().err
            # The group of a command, such as `flotta explain`, may stand alone in a sentence.
            assert not error or "the following arguments are required" in error, error


def run_without_effect(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Parse the arguments of one of our programs, and stop there."""
    file = words[0].removeprefix("flotta-").replace("-", "_")
    module = importlib.import_module(f"flotta.cli.{file}")
    for runner in ("run_command", "run"):
        monkeypatch.setattr(module, runner, lambda *_, **__: None, raising=False)
    monkeypatch.setattr(sys, "argv", words)
    module.main()


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_playbooks_plugins_and_roles_exist(page: Path) -> None:
    for full_name in re.findall(r"(?<!group/)\bflotta\.edge\.(\w+)", page.read_text()):
        assert in_collection(full_name), full_name
    groups = yaml.safe_load((COLLECTION / "meta/runtime.yml").read_text())["action_groups"]
    assert set(re.findall(r"group/flotta\.edge\.(\w+)", page.read_text())) <= groups.keys()


def in_collection(short_name: str) -> bool:
    places = (
        COLLECTION / f"roles/{short_name}",
        COLLECTION / f"playbooks/{short_name}.yml",
        *COLLECTION.glob(f"plugins/*/{short_name}.py"),
    )
    return any(place.exists() for place in places)


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_playbooks_that_are_run_exist(page: Path) -> None:
    for program, *words in commands(page):
        if program == "ansible-playbook" and words:
            files = [word for word in words if word.endswith(".yml")]
            known = [ROOT / file for file in files if "hosts" not in file]
            assert all(path.exists() for path in known), words
            assert known or any(word.startswith("flotta.edge.") for word in words), words


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_kubectl_knows_the_options(page: Path) -> None:
    for program, *words in commands(page):
        if program == "kubectl" and words:
            # Values do not matter to the parser, and every start of kubectl costs time.
            shape = [word.split("=")[0] if word[0] == "-" else word for word in words]
            verb = next((word for word in shape if VERB.fullmatch(word)), "")
            key = (verb, *sorted(word for word in shape if word[0] == "-" and word != "-"))
            if key not in taken_by_kubectl:
                error = kubectl_error(word for word in words if word != "-")
                assert not error, f"{words}: {error}"
                taken_by_kubectl.add(key)


def kubectl_error(words: Iterable[str]) -> str:
    """Return what kubectl says of options that it does not have; nothing is asked of a server."""
    command = [Path(sys.executable).parent / "kubectl", *words, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else ""


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_kubectl_is_asked_for_kinds_that_there_are(page: Path) -> None:
    for program, *words in commands(page):
        if program != "kubectl":
            continue
        for word in words:
            kind, *fields = word.split("/")[0].split(",")[0].split(".")
            if kind.lower().startswith("edge"):
                assert kind.lower() in our_resources(), words
                assert not fields or field_of(kind, fields) in crd_fields(), words


def field_of(resource: str, fields: list[str]) -> str:
    [kind] = [
        crd["spec"]["names"]["kind"]
        for crd in crds.load()
        if crd["spec"]["names"]["singular"] == resource.lower().removesuffix("s")
    ]
    return ".".join([kind, *fields])


@functools.cache
def our_resources() -> set[str]:
    names = [crd["spec"]["names"] for crd in crds.load()]
    return {
        word.lower()
        for each in names
        for word in (each["kind"], each["plural"], each["singular"], *each.get("shortNames", []))
    }


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_scripts_are_shell(page: Path) -> None:
    for block in blocks(page):
        if block.language in ("sh", "bash", "shell"):
            done = subprocess.run(
                ["bash", "-n"], input=block.text, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{block.text}{done.stderr}"


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_manifests_are_accepted_without_an_unknown_field(page: Path) -> None:
    for block in blocks(page):
        if block.language not in ("yaml", "yml"):
            continue
        for manifest in yaml.safe_load_all(block.text):
            if isinstance(manifest, dict) and str(manifest.get("apiVersion")).startswith(GROUP):
                admission = StructuralSchema(schemas_by_kind()[manifest["kind"]]).admit(manifest)
                assert (admission.unknown, admission.causes) == ([], []), block.text
