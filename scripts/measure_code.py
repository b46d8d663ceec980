"""Print measures of the Python code: length, nesting, docstrings, types.

A file counts unless it is generated (`_pb2.py`, `_grpc.py`) or empty. How each column is measured:

  file, function   lines of text: of a file all of them, of a function from `def` to its last line,
                   without decorators. Median, 90th percentile and maximum.
  functions        every `def`, methods and functions inside functions too
  nesting          levels of if, for, while, try, with and match in a function; elif adds none
  docstring        of the public functions: neither their name nor that of a surrounding class
                   begins with `_`, and they are not inside another function
  return type      of all functions
  comments         lines with a comment per 100 lines with code. Docstrings are code; a line with
                   both counts as both; what precedes all code (#!, licence) is not a comment
  dict[str, Any]   functions with that in an annotation of an argument or the return value, in
                   any form: bare, with Any as key or value, an alias, a subclass, in containers
                   (untyped_objects.py says which). `Mapping[str, object]` (`Manifest`) does not
                   count: a type checker refuses any use of its fields
  Any              functions with an Any in such an annotation, including those objects
  fields, variables  both, in the annotations of classes' fields and of all other variables
  sleep            calls of a name or attribute `sleep`

The row "outside the engine" is src/flotta without apiserver, which serves objects of any kind. The
documentation blocks of the collection's modules count as lines of their files.

The 90th percentile is the value nearest to nine tenths of the way through the sorted list.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from code_measures import FileMeasures, measure_file, read_sources
from untyped_objects import Names

ROOT = Path(__file__).resolve().parent.parent
COLLECTION = "collections/ansible_collections/flotta/edge"
FOLDERS = ("src/flotta", COLLECTION, "tests", "scripts", "bench")
ENGINE = "src/flotta/apiserver/"
LONGEST = 15  # files and functions that --longest lists
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
    "with Any",
)


def main() -> None:
    """Print the table, and with --longest the longest functions and files in src/flotta."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="another working tree")
    parser.add_argument("--longest", action="store_true", help="also list the longest")
    options = parser.parse_args()
    folders = [read_sources(options.root, folder) for folder in FOLDERS]
    names = Names({source.module: source.tree for sources in folders for source in sources})
    measures = [[measure_file(source, names) for source in sources] for sources in folders]
    parts = dict(zip(FOLDERS, measures, strict=True))
    source = parts["src/flotta"]
    print_table(parts)
    print_variables(parts)
    print_tests(parts["tests"], source)
    if options.longest:
        print_longest(source)


def print_table(parts: dict[str, list[FileMeasures]]) -> None:
    """Print a row for each part of the code."""
    source = parts["src/flotta"]
    print(" | ".join(HEADINGS))
    print_row("src/flotta", source)
    print_row("outside the engine", [f for f in source if not f.place.startswith(ENGINE)])
    for package in sorted(
        {file.place.split("/")[2] for file in source if file.place.count("/") > 2}
    ):
        print_row(
            f"- {package}", [f for f in source if f.place.startswith(f"src/flotta/{package}/")]
        )
    for folder in FOLDERS[1:]:
        print_row(folder, parts[folder])


def print_row(name: str, files: list[FileMeasures]) -> None:
    """Print the row of the table for some files."""
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
        describe_share([function.any for function in functions]),
    )
    print(" | ".join(map(str, cells)))


def describe_spread(values: list[int]) -> str:
    """Return median, 90th percentile and maximum."""
    if not values:
        return "-"
    return f"{statistics.median(values):.0f} / {percentile(values)} / {max(values)}"


def percentile(values: list[int]) -> int:
    """Return the 90th percentile, 0 if there are no values."""
    return sorted(values)[round((len(values) - 1) * 0.9)] if values else 0


def describe_share(truths: list[bool]) -> str:
    """Return the share that is true, in per cent."""
    return f"{100 * sum(truths) / len(truths):.0f}%" if truths else "-"


def print_variables(parts: dict[str, list[FileMeasures]]) -> None:
    """Print how many annotations outside of signatures have no type."""
    for folder, files in parts.items():
        for kind, is_field in (("fields", True), ("variables", False)):
            chosen = [v for file in files for v in file.variables if v.field == is_field]
            untyped, anys = sum(v.untyped_object for v in chosen), sum(v.any for v in chosen)
            counts = f"{untyped} with dict[str, Any], {anys} with Any"
            print(f"{kind} in {folder}: {len(chosen)}, {counts}")


def print_tests(tests: list[FileMeasures], source: list[FileMeasures]) -> None:
    """Print the ratio of test lines to source lines, and how often tests sleep."""
    lines = [sum(file.length for file in files) for files in (tests, source)]
    print(f"tests : src/flotta (lines) {lines[0]} : {lines[1]} = {lines[0] / lines[1]:.2f}")
    print(f"sleep calls in tests: {sum(file.sleeps for file in tests)}")


def print_longest(files: list[FileMeasures]) -> None:
    """Print the longest functions and files."""
    functions = [function for file in files for function in file.functions]
    list_longest("functions", [(function.length, function.place) for function in functions])
    list_longest("files", [(file.length, file.place) for file in files])


def list_longest(title: str, lengths: list[tuple[int, str]]) -> None:
    """Print the longest items, the longest first."""
    print(f"longest {title}:")
    for length, place in sorted(lengths, reverse=True)[:LONGEST]:
        print(f"  {length:4} {place}")


if __name__ == "__main__":
    main()
