#!/bin/bash
# Set up and test everything on this machine: Debian, root, podman.
#
#   test.sh [check] [collection] [integration] [pods] [images] [site] [remote] [molecule] [kubernetes]        default: all of them
#
# Most parts run in parallel, because the sites wait more than they compute. At the end is a table of
# how long each part took; the last line is the sum: N passed, N failed, N skipped. A failed part does not
# stop the others, and the exit code is 0 when nothing failed. Local sites that run in this checkout
# are used, and removed at the end unless KEEP_SITE=1. Reports are in .cache/results.
set -u
cd "$(dirname "$0")/.." || exit 1
groups=" ${*:-check collection integration pods images site remote molecule kubernetes} "
. scripts/lanes.sh

roles=(tests/integration/test_{safe_roles,role_inputs,role_places}.py)  # in the shortest of the lanes that compute

checks() {
  give_way
  has_run "environment"
  if wanted check; then
    scripts/check.sh
    FLOTTA_FUZZ_SECONDS=${FLOTTA_FUZZ_SECONDS:-20} tests "fuzz" tests/fuzz  # make test-deep takes longer
  fi
  if wanted collection; then
    scripts/check_versions.sh 2.17 2.19  # the oldest and that of the environment; make test-deep has all
    scripts/check_collection.sh
  fi
  if wanted integration; then tests "tests of roles" "${roles[@]}"; fi
}

contract() {
  give_way
  has_run "environment" "API server"
  tests "contract tests" tests/contract
  wanted site || return
  has_run "site"  # which builds the image of hosts and the environment
  tests "tests of checkouts and hosts" tests/collection/test_{from_git,local_hosts}.py --timeout=1800
}

integration() {
  give_way
  has_run "environment" "API server"
  # They wait more than they compute; the tests of a file share servers.
  tests "integration tests" tests/integration --numprocesses=2 --dist=loadfile "${roles[@]/#/--ignore=}"
}

site() {
  part "site" make site
  has_run "environment"
  # One of them is the second run, which changes nothing.
  tests "tests of the artifact" tests/collection/test_artifact.py --timeout=1800
  tests "end-to-end tests" tests/e2e --timeout=1800
  clean clean-site .site
}

# All hosts on this machine have the same image; the first site builds it.
hosts_of_the_other_site() {
  compgen -G '.site/hosts/*.known_hosts' >/dev/null || cut -f5 "$RESULTS/times" | grep -qx "site"
}

pods() {
  has_run "environment"
  if wanted site; then until hosts_of_the_other_site; do sleep 1; done; fi
  tests "tests of pods" tests/pods --timeout=900
  part "nothing is left of the tests of pods" no_pods_are_left
}

# A machine in QEMU, emulated by software: one boot of the device ISO takes minutes of one processor.
images() {
  give_way
  has_run "environment"
  tests "device ISO" tests/images --timeout=3600
}

# Without a resource API: an Edge API with a data store.
remote() {
  has_run "environment"
  if wanted site; then until hosts_of_the_other_site; do sleep 1; done; fi
  part "site-remote" make site-remote
  FLOTTA_SITE=.site-remote tests "end-to-end tests with a data store" tests/e2e --timeout=900
  clean clean-site-remote .site-remote
}

# A site from nothing, and everything removed again, by the collection's own scenarios. All local sites at a time, with these
# hosts, would need more inotify instances than a machine has.
molecule() {
  has_run "environment"
  if wanted site; then until hosts_of_the_other_site; do sleep 1; done; fi
  part "Molecule, default and absent" make molecule SCENARIO="default absent"
  no_scenario_is_left default
}

short_sites() {
  if wanted remote; then remote; fi
  if wanted molecule; then molecule; fi
}

kubernetes() {
  has_run "environment" "Kubernetes"
  if wanted site; then until hosts_of_the_other_site; do sleep 1; done; fi
  part "site-kubernetes" make site-kubernetes
  part "a second run on Kubernetes changes nothing" changes_nothing make site-kubernetes
  tests "tests of the image" tests/cluster --timeout=900
  FLOTTA_SITE=.site-kubernetes tests "end-to-end tests on Kubernetes" tests/e2e --timeout=1800
  clean clean-site-kubernetes .site-kubernetes
}

heading "set-up"
packages
if wanted site; then lane "site" site; fi
if wanted integration || wanted kubernetes; then lane "servers" servers; fi
if wanted kubernetes; then lane "site on Kubernetes" kubernetes; fi
if wanted remote || wanted molecule; then lane "site with a data store, and Molecule" short_sites; fi
if wanted pods; then lane "pods" pods; fi
if wanted check || wanted collection || wanted integration; then lane "checks" checks; fi
if wanted images; then lane "images" images; fi
if wanted integration; then
  lane "contract tests" contract
  lane "integration tests" integration
fi
lane "environment" environment
follow
summary
