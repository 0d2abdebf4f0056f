#!/usr/bin/env bash
# Generates gen/ (or the folder named) from protos/. CI compares the two.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-gen}
bin=$PWD/.venv/bin
mkdir -p "$out"
find "$out" -name '*_pb2*' -delete
mapfile -t sources < <(cd protos && find conserje -name '*.proto' | sort)
PATH="$bin:$PATH" "$bin/python" -m grpc_tools.protoc \
  -I protos -I protos/third_party \
  --python_out="$out" --grpc_python_out="$out" --mypy_out="$out" --mypy_grpc_out="$out" \
  "${sources[@]}" buf/validate/validate.proto
# A file without a service has nothing in its grpc module.
while IFS= read -r grpc; do
  grep -q 'class .*Servicer' "$grpc" || rm -f "$grpc" "${grpc}i"
done < <(find "$out" -name '*_pb2_grpc.py')
