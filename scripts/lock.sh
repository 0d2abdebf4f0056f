#!/usr/bin/env bash
# Writes requirements/*.txt from requirements/*.in: pinned, hashed, and naming no index.
set -euo pipefail
cd "$(dirname "$0")/.."
for name in base sandbox dev; do
  .venv/bin/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links \
    --only-binary :all: --python-version 3.11 --no-header \
    --output-file "requirements/$name.txt" "$@" "requirements/$name.in"
done
