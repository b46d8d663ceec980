#!/bin/bash
# Format, lint, types, layers and unit tests: what must be green before every commit.
#
# Every part runs even when an earlier one failed. JUNIT may name a file for the unit tests' results.
set -u
cd "$(dirname "$0")/.."
bin=.venv-dev/bin
code=(src tests scripts bench)
export PYTHONPATH=src
failed=0

part() {
  local name=$1 began=$SECONDS status=0
  shift
  "$@" || status=$?
  printf '%s  %s (%d s)\n' "$([ $status = 0 ] && echo ok || echo FAILED)" "$name" $((SECONDS - began))
  [ $status = 0 ] || failed=1
}

layers() {
  local report
  report=$("$bin/lint-imports" --no-logo) || { echo "$report"; return 1; }
}

part format "$bin/ruff" format --quiet --check "${code[@]}"
part lint "$bin/ruff" check --quiet "${code[@]}"
part types "$bin/mypy" --no-error-summary -p flotta
part layers layers
part "unit tests" "$bin/python" -m pytest -q tests/unit ${JUNIT:+"--junitxml=$JUNIT"}
echo "check took $SECONDS s"
exit $failed
