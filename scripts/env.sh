#!/usr/bin/env bash
# Makes .venv hold what requirements/<name>.txt pins; says what is missing in one sentence.
# Usage: scripts/env.sh sandbox|dev
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1
stamp=".venv/.installed-$name"
lock="requirements/$name.txt"

fail() { echo "conserje: $*" >&2; exit 1; }

# An environment that already holds the same pins (dev holds sandbox too) needs no network.
for installed in "$stamp" .venv/.installed-dev; do
  if [ -f "$installed" ] && [ "$(cat "$installed")" = "$(sha256sum "requirements/${installed##*-}.txt")" ] \
     && { [ "$name" != dev ] || [ "$installed" = .venv/.installed-dev ]; } \
     && [ -x .venv/bin/python ] && .venv/bin/python -c '' 2>/dev/null; then
    exit 0
  fi
done

python=${PYTHON:-}
for candidate in ${python:-python3.11 python3 python}; do
  if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
    python=$candidate
    break
  fi
  python=
done
[ -n "$python" ] || fail "Python 3.11 is needed and was not found; install it or name it: make PYTHON=/path/to/python3.11"
"$python" -c 'import venv, ensurepip' 2>/dev/null \
  || fail "Python's venv module is missing; install it (Debian: apt-get install python3.11-venv) and try again"

echo "conserje: preparing the Python environment (.venv, once)"
[ -x .venv/bin/python ] && .venv/bin/python -c '' 2>/dev/null || { rm -rf .venv; "$python" -m venv .venv; }
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r "$lock" \
  || fail "the packages of $lock could not be installed; the lines above say why"
# The two source roots: the repository and the generated code.
site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
printf '%s\n%s\n' "$PWD" "$PWD/gen" > "$site/conserje-roots.pth"
sha256sum "$lock" > "$stamp"
