#!/bin/bash
# Set up and test everything on this machine: Debian, root, podman.
#
#   test.sh [check] [collection] [integration] [site]        everything unless some are named
#
# The last line is the sum: N passed, N failed, N skipped. Everything runs, whatever fails before
# it, and the exit code is 0 when nothing failed. A local site that runs in this checkout is used,
# and taken away at the end unless KEEP_SITE=1. Reports are in .cache/results.
set -u
cd "$(dirname "$0")/.." || exit 1
export LC_ALL=C.UTF-8 RESULTS=$PWD/.cache/results PIP_NO_INPUT=1
rm -rf "$RESULTS"
mkdir -p "$RESULTS"
plain_path=$PATH
. scripts/parts.sh
groups=" ${*:-check collection integration site} "
# What make runs has its own environments.
make() { PATH=$plain_path PYTHONPATH='' command make --no-print-directory "$@"; }
background=

wanted() { [[ $groups == *" $1 "* ]]; }
heading() { printf '\n== %s (%d:%02d)\n' "$1" $((SECONDS / 60)) $((SECONDS % 60)); }

# The sum needs no environment, so that it is there even when there is none.
summary() {
  [ ! -s "$RESULTS/parts" ] || sed -n 's/^FAILED\t/Failed: /p' "$RESULTS/parts"
  /usr/bin/env python3 scripts/sum_results.py "$RESULTS"
}

interrupted() {
  trap '' INT TERM HUP
  [ -z "$background" ] || { pkill --parent "$background" && wait "$background"; }
  record FAILED interrupted
  ! wanted site || [ -n "${KEEP_SITE:-}" ] || make clean-site
  summary
  exit 1
}
trap interrupted INT TERM HUP

changes_nothing() {
  local report=$RESULTS/re-run.log
  "$@" 2>&1 | tee "$report"
  [ "${PIPESTATUS[0]}" = 0 ] && grep -q 'changed=' "$report" && ! grep -q 'changed=[1-9]' "$report"
}

nothing_is_left() {
  local left
  left=$(podman ps --all --format '{{.Names}}' | grep -E '^flotta-(control-plane|till-1|camera-1)$'
    podman network ls --format '{{.Name}}' | grep -x flotta-site
    ls -d .site 2>/dev/null)
  [ -z "$left" ] || { echo "Still there: $left"; return 1; }
}

heading "set-up"
part "packages" scripts/packages.sh git shellcheck
if wanted site; then
  (part "site" make site) >"$RESULTS/site.log" 2>&1 &
  background=$!
  echo "The site is made in the background."
fi
part "environment" make venv-dev

if wanted check; then
  heading "check"
  scripts/check.sh
fi

if wanted collection; then
  heading "collection"
  scripts/check_collection.sh
fi

# What follows measures times: nothing else runs beside it.
if [ -n "$background" ]; then
  heading "site"
  wait "$background"
  background=
  cat "$RESULTS/site.log"
fi

if wanted integration; then
  heading "contract and integration"
  XDG_CACHE_HOME=$PWD/.cache tests "contract tests" tests/contract
  tests "integration tests" tests/integration
fi

if wanted site; then
  heading "site again"
  part "a second run changes nothing" changes_nothing make site
  tests "tests of the artifact" tests/collection --timeout=900
  heading "end to end"
  tests "end-to-end tests" tests/e2e --timeout=900
  if [ -z "${KEEP_SITE:-}" ]; then
    heading "clean-site"
    part "clean-site" make clean-site
    part "nothing is left" nothing_is_left
  fi
fi

printf '\nAll of it took %d minutes.\n' $(((SECONDS + 30) / 60))
summary
