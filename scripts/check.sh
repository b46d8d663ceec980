#!/bin/bash
# Format, lint, types, layers and unit tests: what should be green before every commit.
#
#   check.sh [VENV]
#
# Every part runs even when an earlier one failed. JUNIT names a file for the unit tests' results.
set -u
cd "$(dirname "$0")/.."
bin=${1:-.venv}/bin
code=(src tests scripts bench)
failed=0

part() {
  local name=$1 began=$SECONDS status=0
  shift
  "$@" || status=$?
  printf '%s  %s (%d s)\n' "$([ $status = 0 ] && echo ok || echo FAILED)" "$name" $((SECONDS - began))
  [ $status = 0 ] || failed=1
}

part format "$bin/ruff" format --quiet --check "${code[@]}"
part lint "$bin/ruff" check --quiet "${code[@]}"
part types "$bin/mypy" -p flotta
part layers "$bin/lint-imports"
part "unit tests" "$bin/python" -m pytest -q tests/unit ${JUNIT:+"--junitxml=$JUNIT"}
echo "check took $SECONDS s"
exit $failed
