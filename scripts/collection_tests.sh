#!/bin/sh
# Lint, changelog, sanity and build of the collection.
set -eu
cd "$(dirname "$0")/.."
top=$(pwd)
PATH=$top/.venv-dev/bin:$PATH
export PATH ANSIBLE_COLLECTIONS_PATH="$top/collections" ANSIBLE_HOME="$top/.cache/ansible"

# ansible-test asks a server for pip; Python brings its own.
home=$top/.cache/ansible-test
mkdir -p "$home/.ansible/test/cache"
for version in 23_1_2 24_2 25_2; do
  cp scripts/get_pip.py "$home/.ansible/test/cache/get_pip_$version.py"
done

ansible-lint --offline --profile production -q collections playbooks inventories
cd collections/ansible_collections/flotta/edge
antsibull-changelog lint
HOME=$home ansible-test sanity --python "$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')" --color no
