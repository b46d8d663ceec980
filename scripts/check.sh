#!/bin/bash
# Format, lint, types, layers and unit tests: what must be green before every commit.
#
# JUNIT may name a file for the unit tests' results.
set -u
cd "$(dirname "$0")/.." || exit 1
. scripts/parts.sh
code=(src tests scripts bench)

part format ruff format --quiet --check "${code[@]}"
part lint ruff check --quiet "${code[@]}"
part types quiet mypy -p flotta
part layers quiet lint-imports --no-logo
if [ -n "${JUNIT:-}" ]; then
  # Counted test by test, so this is no part.
  python -m pytest -q tests/unit "--junitxml=$JUNIT" || failed=$((failed + 1))
else
  part "unit tests" python -m pytest -q tests/unit
fi
echo "The check took $SECONDS s."
[ $failed = 0 ]
