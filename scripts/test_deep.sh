#!/bin/bash
# Run what make test leaves out because it gains strength from repetition or length: many power cuts,
# long outages, random kills, attacks that last; a long fuzz of everything that parses foreign bytes;
# the tests of pods on the podman of Debian 13 too; the other Molecule scenarios; ansible-test sanity on every supported
# release of ansible-core; and what Galaxy's importer and antsibull-nox say of the collection.
#
#   test_deep.sh [sanity] [quality] [fuzz] [repetition] [pods] [images] [site] [molecule] [kubernetes]        default: all of them
#
# Summary, KEEP_SITE and the handling of local sites are those of test.sh. Environment:
# FLOTTA_E2E_POWER_CUTS, how often the power of a device is cut (20); FLOTTA_E2E_OUTAGE, how long the
# control plane is unreachable (120 s); FLOTTA_FUZZ_SECONDS, how long the fuzz runs (900), and
# FLOTTA_FUZZ_SEED, to repeat a run of it: each run prints its own; FLOTTA_POD_KILLS, how often the worker
# is killed while it changes pods (200), and FLOTTA_POD_SEED.
set -u
cd "$(dirname "$0")/.." || exit 1
groups=" ${*:-sanity quality fuzz repetition pods images site molecule kubernetes} "
. scripts/lanes.sh

sanity() {
  local version
  give_way
  has_run "environment"
  scripts/check_versions.sh 2.18
  for version in 2.17 2.18 2.19 2.20 2.21; do
    part "ansible-test sanity on $version" quiet scripts/sanity.sh "$version"
  done
}

quality() {
  give_way
  has_run "environment"
  part "quality of the collection" quiet scripts/quality.sh
  tests "execution environment" tests/collection/test_execution_environment.py -m deep
}

fuzz() {
  give_way
  has_run "environment"
  FLOTTA_FUZZ_SECONDS=${FLOTTA_FUZZ_SECONDS:-900} tests "fuzz" tests/fuzz --timeout=7200
}

repetition() {
  give_way
  has_run "environment" "API server"
  tests "repetition" tests/unit -m deep tests/contract tests/integration
}

pods() {
  has_run "environment"
  tests "tests of pods" tests/pods -m "deep or not deep" --timeout=7200
  part "nothing is left of the tests of pods" no_pods_are_left
}

images() {
  give_way
  has_run "environment"
  tests "device ISO" tests/images -m "deep or not deep" --timeout=3600
}

molecule() {
  local scenario
  part "what Molecule needs" make wheel venv-molecule
  for scenario in changed many debian13 upgrade; do
    part "Molecule, $scenario" scripts/molecule.sh "$scenario"
    no_scenario_is_left "$scenario"
  done
}

# One site after the other: long runs need the machine for themselves.
sites() {
  has_run "environment"
  if wanted site; then
    part "site" make site
    tests "repetition on local hosts" tests/collection -m deep --timeout=1800 --ignore=tests/collection/test_execution_environment.py
    tests "repetition end to end" tests/e2e -m deep --timeout=7200
    clean clean-site .site
  fi
  if wanted site; then
    part "site-remote" make site-remote
    part "a second run with a data store changes nothing" changes_nothing make site-remote
    clean clean-site-remote .site-remote
  fi
  if wanted molecule; then molecule; fi
  if wanted kubernetes; then
    has_run "Kubernetes"
    part "site-kubernetes" make site-kubernetes
    FLOTTA_SITE=.site-kubernetes tests "repetition end to end on Kubernetes" tests/e2e -m deep --timeout=7200
    clean clean-site-kubernetes .site-kubernetes
  fi
}

heading "set-up"
packages
if wanted repetition || wanted kubernetes; then lane "servers" servers; fi
if wanted sanity; then lane "sanity" sanity; fi
if wanted quality; then lane "quality" quality; fi
if wanted fuzz; then lane "fuzz" fuzz; fi
if wanted repetition; then lane "repetition" repetition; fi
if wanted pods; then lane "pods" pods; fi
if wanted images; then lane "images" images; fi
if wanted site || wanted molecule || wanted kubernetes; then lane "sites" sites; fi
lane "environment" environment
follow
summary
