#!/bin/sh
# Boot the device ISO as the tests do, and write what its screen shows to docs/images.
set -eu
cd "$(dirname "$0")/.."
scripts/packages.sh qemu-system-x86 ovmf xorriso squashfs-tools mtools fdisk
FLOTTA_SCREENSHOTS=$PWD/docs/images PYTHONPATH=$PWD/src \
  exec .venv-dev/bin/python -m pytest -q tests/images/test_boot.py tests/images/test_joining.py -m "deep or not deep" -k shows
