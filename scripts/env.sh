#!/usr/bin/env bash
# Makes .venv hold what requirements/<name>.txt pins; says what is missing in one sentence.
# Usage: scripts/env.sh sandbox|dev
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1
lock="requirements/$name.txt"

fail() { echo "conserje: $*" >&2; exit 1; }

# The pins and the place: an environment that was moved finds neither source root.
stamp_of() { sha256sum "requirements/$1.txt"; echo "$PWD"; }

is_complete() {
  [ -f ".venv/.installed-$1" ] && [ "$(cat ".venv/.installed-$1")" = "$(stamp_of "$1")" ] \
    && .venv/bin/python -c '' 2>/dev/null
}

# Everything of the sandbox is in dev too. What is complete needs no network.
if is_complete dev || { [ "$name" = sandbox ] && is_complete sandbox; }; then
  exit 0
fi

for python in ${PYTHON:-python3.11 python3 python} ''; do
  [ -n "$python" ] || fail "Python 3.11 is needed and was not found; install it or name it: make PYTHON=/path/to/python3.11"
  "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && break
done
"$python" -c 'import venv, ensurepip' 2>/dev/null \
  || fail "Python's venv module is missing; install it (Debian: apt-get install python3.11-venv) and try again"

# One line that counts where a person looks; elsewhere nothing moves.
count_packages() {
  if [ -t 1 ]; then
    awk -v all="$(grep -c '==' "$lock")" \
      '/^Collecting / { printf "\r  %d of %d packages", ++n, all; fflush() }
       /^Installing / { printf "\r  unpacking %d packages ", all; fflush() }
       END { print "" }'
  else
    cat >/dev/null
  fi
}

echo "conserje: preparing the Python environment (.venv); this happens once and needs the network"
rm -f .venv/.installed-*
.venv/bin/python -c 'import pip' 2>/dev/null || { rm -rf .venv; "$python" -m venv .venv; }
.venv/bin/python -m pip install --disable-pip-version-check --progress-bar off \
  --require-hashes --only-binary :all: -r "$lock" | count_packages \
  || fail "the packages of $lock could not be installed; the lines above say why"
# The two source roots: the repository and the generated code.
site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
printf '%s\n%s\n' "$PWD" "$PWD/gen" > "$site/conserje-roots.pth"
stamp_of "$name" > ".venv/.installed-$name"
