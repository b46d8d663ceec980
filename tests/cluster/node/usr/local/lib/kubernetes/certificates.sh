#!/bin/bash
# Make what the parts of this node know each other by: a CA, certificates, the key of the service
# accounts, a kubeconfig for each part and one for the administrator. Whatever is there stays; a new
# address of the host gets new certificates of the same CA.
set -euo pipefail
umask 077
pki=/etc/kubernetes/pki
# Networks that exist only inside the node. 198.18.0.0/15 is no one's: it is set aside for benchmarks.
service_subnet=198.18.0.0/24
service_address=198.18.0.1

host_address() {
  ip -4 -json address show scope global | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["addr_info"][0]["local"])'
}

key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }

authority() {
  key "$pki/ca.key"
  openssl req -x509 -new -key "$pki/ca.key" -subj "/CN=kubernetes" -days 3650 -out "$pki/ca.crt" \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign"
}

# certificate NAME SUBJECT USAGE [ALTERNATIVE-NAMES]
certificate() {
  local name=$1 subject=$2 usage=$3 names=${4:-}
  key "$pki/$name.key"
  openssl req -new -key "$pki/$name.key" -subj "$subject" |
    openssl x509 -req -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -days 3650 -out "$pki/$name.crt" -extfile <(
      echo "keyUsage=critical,digitalSignature"
      echo "extendedKeyUsage=$usage"
      [ -z "$names" ] || echo "subjectAltName=$names"
    ) 2>/dev/null
}

encoded() { base64 --wrap=0 "$pki/$1"; }

# kubeconfig FILE CERTIFICATE SERVER-ADDRESS
kubeconfig() {
  cat >"/etc/kubernetes/$1.kubeconfig" <<YAML
apiVersion: v1
kind: Config
clusters:
  - name: flotta
    cluster:
      server: https://$3:6443
      certificate-authority-data: $(encoded ca.crt)
users:
  - name: $1
    user:
      client-certificate-data: $(encoded "$2.crt")
      client-key-data: $(encoded "$2.key")
contexts:
  - name: flotta
    context: {cluster: flotta, user: $1}
current-context: flotta
YAML
}

client() {
  certificate "$1" "$2" clientAuth
  kubeconfig "$1" "$1" "$3"
}

everything() {
  local address=$1 names
  names=IP:$address,IP:127.0.0.1,IP:$service_address,DNS:localhost,DNS:$(hostname)
  names+=,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local
  certificate apiserver "/CN=kube-apiserver" serverAuth "$names"
  certificate apiserver-kubelet "/O=system:masters/CN=kube-apiserver-kubelet-client" clientAuth
  client controller-manager "/CN=system:kube-controller-manager" 127.0.0.1
  client scheduler "/CN=system:kube-scheduler" 127.0.0.1
  client kube-proxy "/CN=system:kube-proxy" 127.0.0.1
  client kubelet "/O=system:nodes/CN=system:node:$(hostname)" 127.0.0.1
  client admin "/O=system:masters/CN=admin" "$address"
}

main() {
  local address
  address=$(host_address)
  mkdir -p "$pki"
  [ -e "$pki/ca.crt" ] || authority
  if [ ! -e "$pki/service-accounts.pub" ]; then
    key "$pki/service-accounts.key"
    openssl pkey -in "$pki/service-accounts.key" -pubout -out "$pki/service-accounts.pub"
  fi
  if ! grep -qsx "NODE_ADDRESS=$address" /etc/kubernetes/node.env; then
    everything "$address"
    printf 'NODE_ADDRESS=%s\nSERVICE_SUBNET=%s\n' "$address" "$service_subnet" >/etc/kubernetes/node.env
  fi
}
main
