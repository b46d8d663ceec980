#!/bin/sh
# Write yggdrasil_pb2.py, .pyi and yggdrasil_grpc.py from yggdrasil.proto; needs grpcio-tools and grpclib.
set -eu
cd "$(dirname "$0")/../src"
exec python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. --grpclib_python_out=. flotta/protocol/yggdrasil.proto
