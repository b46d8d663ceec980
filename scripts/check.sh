#!/bin/bash
# Check format, lint, types, layers, docs and unit tests: what must be green before every commit.
set -u
cd "$(dirname "$0")/.." || exit 1
. scripts/parts.sh
code=(src tests scripts bench collections)

part format ruff format --quiet --check "${code[@]}"
part lint ruff check --quiet "${code[@]}"
part types quiet mypy
part layers quiet lint-imports --no-logo
part docs quiet mkdocs build --quiet --strict
tests "unit tests" tests/unit --numprocesses=2 --dist=loadfile
echo "The check took $SECONDS s."
[ $failed = 0 ]
