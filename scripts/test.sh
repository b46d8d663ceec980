#!/bin/sh
# Set up and test everything; print the sum of all tests in the last line.
#
# A stage that fails does not stop the others. The exit code is 0 when none did.
set -u
cd "$(dirname "$0")/.." || exit
top=$(pwd)
results=$top/.cache/results
rm -rf "$results" && mkdir -p "$results"
failed=""
export LC_ALL=C.UTF-8

stage() {
  name=$1
  shift
  started=$(date +%s)
  printf '\n== %s\n' "$name"
  "$@"
  code=$?
  [ $code = 0 ] || failed="$failed $name,"
  printf '== %s: %s, %s s\n' "$name" "$([ $code = 0 ] && echo passed || echo FAILED)" $(($(date +%s) - started))
  return $code
}

tests() {
  folder=$1
  shift
  PYTHONPATH=src .venv-dev/bin/pytest -q "$folder" --junitxml="$results/$(basename "$folder").xml" "$@"
}

stage set-up make --no-print-directory packages venv-dev venv-site || exit 1
PATH=$top/.venv-dev/bin:$PATH
export PATH
JUNIT=$results/unit.xml stage check scripts/check.sh
stage contract tests tests/contract
stage integration tests tests/integration
stage collection scripts/check_collection.sh
if stage site make --no-print-directory site; then
  stage re-run make --no-print-directory site
  [ ! -d tests/collection ] || stage artifact tests tests/collection --timeout=900
  stage e2e tests tests/e2e --timeout=900
fi
stage clean-site make --no-print-directory clean-site

[ -z "$failed" ] || printf '\nFailed:%s\n' "${failed%,}"
.venv-dev/bin/python scripts/sum_results.py "$results"
[ -z "$failed" ]
