#!/bin/bash
# Install the collection's artifact in an empty environment with ansible-core and nothing else, and
# let it run its playbook on the local hosts, with the checkout on no path.
set -eu
cd "$(dirname "$0")/.."
top=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
version=$(sed -n 's/^\(ansible-core==[^ ]*\).*/\1/p' requirements/site.txt)

make --no-print-directory collection
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --disable-pip-version-check install --quiet "$version"
cd "$work"
unset PYTHONPATH
export HOME=$work ANSIBLE_COLLECTIONS_PATH=$work/collections PATH=$work/venv/bin:$PATH
ansible-galaxy collection install --offline --collections-path "$work/collections" "$top"/build/flotta-edge-*.tar.gz
ansible-playbook flotta.edge.site --inventory "$top/inventories/local"
