#!/bin/sh
# Run by the installer at its end: bring programs and settings into the installed system.
set -eu
work=/target/var/tmp/flotta
mkdir -p "$work"
chmod 700 "$work"
cp -a /flotta-agent "$work/agent"
cp -a /flotta "$work/payload"
in-target sh /var/tmp/flotta/agent/install.sh
rm -rf "$work"
