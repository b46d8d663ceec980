"""Print measures of the Python code: how long, how deep, how described, how typed.

A file counts unless it is generated (`_pb2.py`, `_grpc.py`) or holds no line. How each column is
measured:

  file, function   lines of the text: for a file all of them, for a function from `def` to its last
                   line, without decorators. Of each the median, the 90th percentile, the longest.
  functions        every `def`, methods and functions inside functions too
  nesting          levels of if, for, while, try, with and match in a function; elif adds none
  docstring        of the public functions: no `_` before their name or the name of a class around
                   them, and not inside another function
  return type      of all functions
  comments         lines with a comment for 100 lines with code, which docstrings are too; a line
                   with both counts as both, what precedes all code (#!, licence) is no comment
  dict[str, Any]   functions with that, `Mapping[str, Any]`, `Object`, `JsonObject` or another name
                   their module gives it in an annotation of an argument or the return value
  sleep            calls of a name or attribute `sleep`

The 90th percentile is the value nearest to nine tenths of the way through the sorted list.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import statistics
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COLLECTION = "collections/ansible_collections/flotta/edge"
GENERATED = ("_pb2.py", "_grpc.py")
LONGEST = 15  # files and functions that --longest lists
BLOCKS = (
    ast.If,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.Try,
    ast.TryStar,
    ast.With,
    ast.AsyncWith,
    ast.Match,
)
SPACE = (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
DICTIONARY = "dict[str, Any]"
KNOWN_ALIASES = {"Object", "JsonObject"}
HEADINGS = (
    "code",
    "files",
    "file median/p90/max",
    "functions",
    "function median/p90/max",
    "nesting p90/max",
    "public with docstring",
    "with return type",
    "comments per 100",
    "with dict[str, Any]",
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class FunctionMeasures:
    """What is measured of one function."""

    place: str
    length: int
    nesting: int
    public: bool
    documented: bool
    typed: bool
    untyped_object: bool


@dataclass(frozen=True)
class FileMeasures:
    """What is measured of one file."""

    place: str
    length: int
    code_lines: int
    comment_lines: int
    sleeps: int
    functions: list[FunctionMeasures] = field(default_factory=list)


def main() -> None:
    """Print the table, and with --longest what is longest in src/flotta."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="another working tree")
    parser.add_argument("--longest", action="store_true", help="also list the longest")
    options = parser.parse_args()
    source = measure_folder(options.root, "src/flotta")
    tests = measure_folder(options.root, "tests")
    print(" | ".join(HEADINGS))
    print_row("src/flotta", source)
    for package in sorted(
        {file.place.split("/")[2] for file in source if file.place.count("/") > 2}
    ):
        print_row(
            f"- {package}", [f for f in source if f.place.startswith(f"src/flotta/{package}/")]
        )
    print_row("collection", measure_folder(options.root, COLLECTION))
    print_row("tests", tests)
    print_tests(tests, source)
    if options.longest:
        print_longest(source)


def measure_folder(root: Path, folder: str) -> list[FileMeasures]:
    """Return the measures of every Python file below a folder."""
    paths = sorted(path for path in (root / folder).rglob("*.py") if path.stat().st_size)
    return [measure_file(path, root) for path in paths if not path.name.endswith(GENERATED)]


def measure_file(path: Path, root: Path) -> FileMeasures:
    """Return the measures of one file; `root` is cut off its name."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    place = str(path.relative_to(root))
    code, comments = count_lines(text)
    aliases = find_aliases(tree)
    functions = [
        measure_function(function, f"{place}:{function.lineno}", aliases, hidden)
        for function, hidden in walk_functions(tree)
    ]
    return FileMeasures(
        place, len(text.splitlines()), code, comments, count_sleeps(tree), functions
    )


def count_lines(text: str) -> tuple[int, int]:
    """Return how many lines have code, and how many have a comment."""
    code: set[int] = set()
    comments = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            comments += bool(code)
        elif token.type not in SPACE:
            code.update(range(token.start[0], token.end[0] + 1))
    return len(code), comments


def find_aliases(tree: ast.Module) -> set[str]:
    """Return the names under which a module knows dict[str, Any]."""
    return KNOWN_ALIASES | {
        target.id
        for statement in tree.body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.value) == DICTIONARY
        for target in statement.targets
        if isinstance(target, ast.Name)
    }


def walk_functions(node: ast.AST, hidden: bool = False) -> Iterator[tuple[Function, bool]]:
    """Yield every function below a node, and whether what it is in hides it from others."""
    for child in ast.iter_child_nodes(node):
        hides = hidden
        if isinstance(child, Function):
            yield child, hidden
            hides = True
        elif isinstance(child, ast.ClassDef):
            hides = hidden or child.name.startswith("_")
        yield from walk_functions(child, hides)


def measure_function(
    function: Function, place: str, aliases: set[str], hidden: bool
) -> FunctionMeasures:
    """Return the measures of one function."""
    annotations = " ".join(map(ast.unparse, find_annotations(function)))
    return FunctionMeasures(
        place=f"{place} {function.name}",
        length=(function.end_lineno or function.lineno) - function.lineno + 1,
        nesting=measure_nesting(function.body),
        public=not function.name.startswith("_") and not hidden,
        documented=ast.get_docstring(function) is not None,
        typed=function.returns is not None,
        untyped_object=DICTIONARY in annotations
        or "Mapping[str, Any]" in annotations
        or not aliases.isdisjoint(re.findall(r"\w+", annotations)),
    )


def find_annotations(function: Function) -> list[ast.expr]:
    """Return the annotations of the arguments and of the return value."""
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [argument for argument in (arguments.vararg, arguments.kwarg) if argument]
    annotations = [argument.annotation for argument in every] + [function.returns]
    return [annotation for annotation in annotations if annotation]


def measure_nesting(body: Iterable[ast.AST]) -> int:
    """Return the levels of blocks in a body; functions and classes inside count by themselves."""
    return max((nesting_of(statement) for statement in body), default=0)


def nesting_of(node: ast.AST) -> int:
    """Return the levels of blocks that a statement or a part of one opens."""
    if isinstance(node, Function | ast.ClassDef | ast.Lambda):
        return 0
    if isinstance(node, ast.If) and len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
        # An elif is on the level of its if.
        return max(1 + measure_nesting(node.body), nesting_of(node.orelse[0]))
    return isinstance(node, BLOCKS) + measure_nesting(ast.iter_child_nodes(node))


def count_sleeps(tree: ast.Module) -> int:
    """Return how often something named `sleep` is called."""
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = [getattr(call, "attr", None) or getattr(call, "id", None) for call in calls]
    return names.count("sleep")


def print_row(name: str, files: list[FileMeasures]) -> None:
    """Print the line of the table about some files."""
    functions = [function for file in files for function in file.functions]
    public = [function for function in functions if function.public]
    comments, code = sum(f.comment_lines for f in files), sum(f.code_lines for f in files)
    nesting = [function.nesting for function in functions]
    cells = (
        name,
        len(files),
        describe_spread([file.length for file in files]),
        len(functions),
        describe_spread([function.length for function in functions]),
        f"{percentile(nesting)} / {max(nesting, default=0)}",
        describe_share([function.documented for function in public]),
        describe_share([function.typed for function in functions]),
        f"{100 * comments / code:.1f}" if code else "-",
        describe_share([function.untyped_object for function in functions]),
    )
    print(" | ".join(map(str, cells)))


def describe_spread(values: list[int]) -> str:
    """Return median, 90th percentile and maximum."""
    if not values:
        return "-"
    return f"{statistics.median(values):.0f} / {percentile(values)} / {max(values)}"


def percentile(values: list[int]) -> int:
    """Return the 90th percentile, 0 of none."""
    return sorted(values)[round((len(values) - 1) * 0.9)] if values else 0


def describe_share(truths: list[bool]) -> str:
    """Return how many are true, in per cent."""
    return f"{100 * sum(truths) / len(truths):.0f}%" if truths else "-"


def print_tests(tests: list[FileMeasures], source: list[FileMeasures]) -> None:
    """Print how much is tested by how much, and how often tests sleep."""
    lines = [sum(file.length for file in files) for files in (tests, source)]
    print(f"tests : src/flotta (lines) {lines[0]} : {lines[1]} = {lines[0] / lines[1]:.2f}")
    print(f"sleep calls in tests: {sum(file.sleeps for file in tests)}")


def print_longest(files: list[FileMeasures]) -> None:
    """Print the longest functions and files."""
    functions = [function for file in files for function in file.functions]
    list_longest("functions", [(function.length, function.place) for function in functions])
    list_longest("files", [(file.length, file.place) for file in files])


def list_longest(title: str, lengths: list[tuple[int, str]]) -> None:
    """Print the longest of some things, the longest first."""
    print(f"longest {title}:")
    for length, place in sorted(lengths, reverse=True)[:LONGEST]:
        print(f"  {length:4} {place}")


if __name__ == "__main__":
    main()
