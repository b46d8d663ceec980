#!/bin/bash
# Everything that can be said about the Ansible collection without a site.
#
# ansible-test works only below a folder ansible_collections, so it gets a copy of the working
# tree's files. Its own virtual environments are kept in .cache between runs.
set -u
cd "$(dirname "$0")/.." || exit 1
. scripts/parts.sh
top=$PWD
source=collections/ansible_collections/flotta/edge
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
copy=$work/ansible_collections/flotta/edge
mkdir -p "$copy"
git ls-files -z --cached --others --exclude-standard -- "$source" | tar c --null --ignore-failed-read --files-from=- 2>/dev/null |
  tar x --directory="$copy" --strip-components=4
export ANSIBLE_HOME=$top/.cache/ansible ANSIBLE_COLLECTIONS_PATH=$work ANSIBLE_NOCOLOR=1 NO_COLOR=1
python_version=$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')

# ansible-test makes its environments without pip and would fetch a script that installs pip from
# a host outside the package index; Python's own ensurepip does the same.
prepare_ansible_test() {
  local home=$1
  mkdir -p "$home/.ansible/test/cache"
  cat >"$home/.ansible/test/cache/get_pip_24_2.py" <<'PYTHON'
import subprocess, sys
args = [a for a in sys.argv[1:] if a not in ("--no-setuptools", "--no-wheel")]
subprocess.check_call([sys.executable, "-m", "ensurepip", "--default-pip"], stdout=subprocess.DEVNULL)
subprocess.check_call([sys.executable, "-m", "pip", "install", *args])
PYTHON
}

sanity() (
  home=$top/.cache/ansible-test
  prepare_ansible_test "$home"
  cd "$copy" && PYTHONPATH='' HOME=$home quiet ansible-test sanity --color no --python "$python_version"
)

changelog() (cd "$copy" && quiet antsibull-changelog lint)

documentation() {
  quiet antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck "$copy" || return 1
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

part "ansible-lint" quiet ansible-lint --offline --profile production "$copy" playbooks inventories
part "roles' arguments" python scripts/role_arguments.py "$copy/roles"
part "collection's documentation" documentation
part "changelog" changelog
part "collection's artifact" artifact
part "ansible-test sanity" sanity
part "shell scripts" scripts
[ $failed = 0 ]
