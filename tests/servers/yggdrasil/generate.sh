#!/bin/sh
# Write pb/*.go from yggdrasil.proto; needs grpcio-tools, protoc-gen-go and protoc-gen-go-grpc.
set -eu
cd "$(dirname "$0")"
module=Myggdrasil.proto=flotta.edge/tests/servers/yggdrasil/pb
exec python -m grpc_tools.protoc -I ../../../src/flotta/protocol \
  --go_out=pb --go_opt="paths=source_relative,$module" --go-grpc_out=pb --go-grpc_opt="paths=source_relative,$module" yggdrasil.proto
