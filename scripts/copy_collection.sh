#!/bin/sh
# Copy the collection's files from the working tree below a folder, and print the path of the copy.
#
#   copy_collection.sh FOLDER
#
# ansible-test works only below a folder ansible_collections.
set -eu
cd "$(dirname "$0")/.."
copy=$1/ansible_collections/flotta/edge
mkdir -p "$copy"
git ls-files -z --cached --others --exclude-standard -- collections/ansible_collections/flotta/edge |
  tar c --null --ignore-failed-read --files-from=- 2>/dev/null | tar x --directory="$copy" --strip-components=4
echo "$copy"
