#!/bin/bash
# Make account, folders, certificate and the administrator's key pair of the S3 server, once.
#
#   prepare.sh ADDRESS
set -euo pipefail
umask 077
address=$1
pki=/etc/flotta/pki

key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }

id flotta-s3 >/dev/null 2>&1 || useradd --system --home-dir /var/lib/flotta/s3 flotta-s3
install -d -m 755 /etc/flotta /var/lib/flotta
install -d -m 700 "$pki"
install -d -m 750 -o flotta-s3 -g flotta-s3 /var/lib/flotta/s3 /var/lib/flotta/s3/buckets
install -d -m 2770 -o flotta-s3 -g flotta-s3 /var/lib/flotta/s3/keys

key "$pki/ca.key"
openssl req -x509 -new -key "$pki/ca.key" -subj "/CN=object storage" -days 3650 -out "$pki/ca.crt" \
  -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign"
key "$pki/server.key"
openssl req -new -key "$pki/server.key" -subj "/CN=$address" |
  openssl x509 -req -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -days 3650 -out "$pki/server.crt" -extfile <(
    echo "subjectAltName=IP:$address,DNS:localhost,IP:127.0.0.1"
    echo "keyUsage=critical,digitalSignature"
    echo "extendedKeyUsage=serverAuth"
  )
/opt/flotta/current/bin/flotta-s3 init --admin-file=/etc/flotta/s3-admin.env --keys=/var/lib/flotta/s3/keys
