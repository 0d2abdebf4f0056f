#!/usr/bin/env bash
# Puts the pinned tools that no Python package carries into .tools/bin: helm, grpcurl and k6
# with `go install`, promtool out of Debian's package or built. Needs no root. What is there stays.
set -euo pipefail
cd "$(dirname "$0")/.."
HELM=v3.22.0
GRPCURL=v1.9.4
K6=v1.8.1
PROMETHEUS=v0.305.1
bin="$PWD/.tools/bin"

# On the path as a program: a function of this script by that name is none.
has() { [ -x "$bin/$1" ] || type -P "$1" >/dev/null; }

go_install() { # name, package
  if has "$1"; then return; fi
  command -v go >/dev/null || { echo "conserje: Go is not there, so $1 cannot be built; tests that need it are skipped"; return; }
  echo "conserje: building $1; this happens once and takes some minutes"
  GOBIN="$bin" go install "$2"
}

# A replace in its go.mod keeps `go install` from building it: it is built where it is unpacked.
build_promtool() {
  command -v go >/dev/null || { echo "conserje: neither apt-get nor Go gives promtool; tests that need it are skipped"; return; }
  echo "conserje: building promtool; this happens once and takes some minutes"
  local folder
  folder=$(go mod download -json "github.com/prometheus/prometheus@$PROMETHEUS" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  (cd "$folder" && go build -buildvcs=false -o "$bin/promtool" ./cmd/promtool)
}

unpack_promtool() {
  (cd "$1" && apt-get download -q prometheus && dpkg -x prometheus_*.deb .) >/dev/null 2>&1
}

fetch_promtool() {
  if has promtool; then return; fi
  local work
  work=$(mktemp -d)
  # A fresh machine has no list of packages yet; only root may fetch it.
  if unpack_promtool "$work" || { apt-get update -q >/dev/null 2>&1 && unpack_promtool "$work"; }; then
    install -D "$work/usr/bin/promtool" "$bin/promtool"
  else
    build_promtool
  fi
  rm -r "$work"
}

mkdir -p "$bin"
go_install helm "helm.sh/helm/v3/cmd/helm@$HELM"
go_install grpcurl "github.com/fullstorydev/grpcurl/cmd/grpcurl@$GRPCURL"
go_install k6 "go.k6.io/k6@$K6"
fetch_promtool
