#!/bin/bash
# Run the sessions of the collection's antsibull-nox.toml that a session of nox is for: documentation, licences, unwanted
# files, the action group, and the build with what Galaxy's importer says of it.
#
#   quality.sh [SESSION…]
#
# nox creates an environment for each session in the user's cache; what they install is the newest of the index.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=$PWD/.cache/quality
scripts/venv.sh "$PWD/.venv-dev/bin/python" "$tools" requirements/quality.txt
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
copy=$(scripts/copy_collection.sh "$work")
cd "$copy"
# Only what git knows is looked at; outside of a repository that would be the environments, too.
git init --quiet
git -c core.excludesFile= add --all
[ $# -gt 0 ] || set -- antsibull-nox-config docs-check license-check extra-checks build-import-check
PYTHONPATH='' PYTHONDONTWRITEBYTECODE=1 "$tools/bin/nox" --no-error-on-missing-interpreters \
  --envdir "${XDG_CACHE_HOME:-$HOME/.cache}/flotta-edge/nox" --sessions "$@"
