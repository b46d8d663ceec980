#!/bin/bash
# Set up and test everything on this machine: Debian, root, podman.
#
#   test.sh [check] [collection] [integration] [site] [kubernetes]        everything unless some are named
#
# The last line is the sum: N passed, N failed, N skipped. Everything runs, whatever fails before
# it, and the exit code is 0 when nothing failed. Local sites that run in this checkout are used,
# and taken away at the end unless KEEP_SITE=1. Reports are in .cache/results.
set -u
cd "$(dirname "$0")/.." || exit 1
export LC_ALL=C.UTF-8 RESULTS=$PWD/.cache/results PIP_NO_INPUT=1
rm -rf "$RESULTS"
mkdir -p "$RESULTS"
plain_path=$PATH
. scripts/parts.sh
groups=" ${*:-check collection integration site kubernetes} "
# What make runs has its own environments.
make() { PATH=$plain_path PYTHONPATH='' command make --no-print-directory "$@"; }
declare -A background=()

wanted() { [[ $groups == *" $1 "* ]]; }
heading() { printf '\n== %s (%d:%02d)\n' "$1" $((SECONDS / 60)) $((SECONDS % 60)); }

# The sum needs no environment, so that it is there even when there is none.
summary() {
  [ ! -s "$RESULTS/parts" ] || sed -n 's/^FAILED\t/Failed: /p' "$RESULTS/parts"
  /usr/bin/env python3 scripts/sum_results.py "$RESULTS"
}

interrupted() {
  local name
  trap '' INT TERM HUP
  for name in "${!background[@]}"; do
    pkill --parent "${background[$name]}"
    kill "${background[$name]}"
    wait "${background[$name]}"
  done
  record FAILED interrupted
  [ -n "${KEEP_SITE:-}" ] || { ! wanted site || make clean-site; ! wanted kubernetes || make clean-site-kubernetes; }
  summary
  exit 1
}
trap interrupted INT TERM HUP

# lane NAME COMMAND…: what runs in the background until `joined NAME`.
lane() {
  ("${@:2}") >"$RESULTS/$1.log" 2>&1 &
  background[$1]=$!
  echo "In the background: $1."
}

# beside NAME COMMAND…: a part that runs in the background.
beside() { lane "$1" part "$@"; }

# What waits for the servers, and leaves the processor to the sites.
tests_with_servers() {
  until grep -qs '	servers$' "$RESULTS/parts"; do sleep 1; done
  renice -n 10 --pid $BASHPID >/dev/null
  tests "contract tests" tests/contract
  tests "integration tests" tests/integration
}

joined() {
  local name=$1
  [ -n "${background[$name]:-}" ] || return 0
  heading "$name"
  wait "${background[$name]}"
  unset "background[$name]"
  cat "$RESULTS/$name.log"
}

changes_nothing() {
  local report=$RESULTS/re-run.log
  "$@" 2>&1 | tee "$report"
  [ "${PIPESTATUS[0]}" = 0 ] && grep -q 'changed=' "$report" && ! grep -q 'changed=[1-9]' "$report"
}

# nothing_is_left FOLDER NETWORK: neither of them, nor a container of the site in the folder.
nothing_is_left() {
  local left
  left=$(podman ps --all --filter "label=flotta.edge.site=$PWD/$1" --format '{{.Names}}'
    podman network ls --format '{{.Name}}' | grep -x "$2"
    ls -d "$1" 2>/dev/null)
  [ -z "$left" ] || { echo "Still there: $left"; return 1; }
}

heading "set-up"
part "packages" scripts/packages.sh git shellcheck
if wanted site; then beside "site" make site; fi
if wanted integration || wanted kubernetes; then beside "servers" nice -n 19 scripts/test_servers.sh node; fi
part "environment" make venv-dev
if wanted integration; then lane "contract and integration tests" tests_with_servers; fi

if wanted check; then
  heading "check"
  scripts/check.sh
fi

if wanted collection; then
  heading "collection"
  scripts/check_collection.sh
  scripts/check_versions.sh
fi

# The servers are built with what processor time the local site leaves.
joined "site"
if wanted site; then
  heading "site again"
  part "a second run changes nothing" changes_nothing make site
  tests "tests of the artifact" tests/collection --timeout=1800
  heading "end to end"
  tests "end-to-end tests" tests/e2e --timeout=1800
  if [ -z "${KEEP_SITE:-}" ]; then
    heading "clean-site"
    part "clean-site" make clean-site
    part "nothing is left" nothing_is_left .site flotta-site
  fi
fi

joined "servers"

if wanted kubernetes; then
  heading "site on Kubernetes"
  part "site-kubernetes" make site-kubernetes
  part "a second run on Kubernetes changes nothing" changes_nothing make site-kubernetes
  tests "tests of the image" tests/cluster --timeout=900
  heading "end to end on Kubernetes"
  FLOTTA_SITE=.site-kubernetes tests "end-to-end tests on Kubernetes" tests/e2e --timeout=1800
  if [ -z "${KEEP_SITE:-}" ]; then
    heading "clean-site-kubernetes"
    part "clean-site-kubernetes" make clean-site-kubernetes
    part "nothing is left of Kubernetes" nothing_is_left .site-kubernetes flotta-kubernetes
  fi
fi
joined "contract and integration tests"

printf '\nAll of it took %d minutes.\n' $(((SECONDS + 30) / 60))
summary
