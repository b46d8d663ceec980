#!/bin/bash
# Check everything about the Ansible collection that needs no site.
set -u
cd "$(dirname "$0")/.." || exit 1
. scripts/parts.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
copy=$(scripts/copy_collection.sh "$work")
export ANSIBLE_HOME=$PWD/.cache/ansible ANSIBLE_COLLECTIONS_PATH=$work ANSIBLE_NOCOLOR=1 NO_COLOR=1
own=$(sed -n 's/^ansible-core==\([0-9]*\.[0-9]*\)\..*/\1/p' requirements/dev.txt)

changelog() (cd "$copy" && quiet antsibull-changelog lint)

documentation() {
  quiet antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck --validate-collection-refs self "$copy" || return 1
  local type
  for type in module role; do
    ansible-doc --type $type --list --json flotta.edge | python -c 'import json, sys; print(*json.load(sys.stdin), sep="\n")' |
      quiet xargs ansible-doc --type $type || return 1
  done
}

artifact() (
  export ANSIBLE_COLLECTIONS_PATH=$work/installed
  quiet ansible-galaxy collection build --output-path "$work" "$copy" &&
    quiet ansible-galaxy collection install --offline --collections-path "$work/installed" "$work"/flotta-edge-*.tar.gz &&
    quiet ansible-doc --type module flotta.edge.edge_device
)

scripts() { git ls-files -z '*.sh' '.ci/run' | xargs -0 shellcheck --severity=warning; }

part "ansible-lint" quiet ansible-lint --offline --profile production "$copy" site.yml playbooks inventories
part "roles' arguments" python scripts/role_arguments.py "$copy/roles"
part "collection's documentation" documentation
part "changelog" changelog
part "collection's artifact" artifact
part "ansible-test sanity on $own" quiet scripts/sanity.sh "$own"
part "shell scripts" scripts
[ $failed = 0 ]
