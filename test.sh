#!/usr/bin/env bash
# All the set-up, then every check and test. With arguments: only pytest, with these arguments.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
source scripts/setup.sh

find_browser() {
    command -v chromium || command -v chromium-browser || command -v google-chrome
}

make_environment requirements.lock requirements-dev.lock
mkdir -p "$TOOLS"
export PATH="$PWD/.venv/bin:$PATH"
if [ "$(uname)" = Linux ]; then
    find_browser >/dev/null || want_packages "The browser test needs Chromium." chromium
    command -v bwrap >/dev/null || want_packages "The sandbox tests need bubblewrap." bubblewrap
    { command -v xmlsec1 && command -v pgbouncer && [ -d /usr/share/simplesamlphp/www ] && command -v php; } >/dev/null ||
        want_packages "The tests with real peers need some programs; without them they are skipped." \
            xmlsec1 pgbouncer simplesamlphp php-cli php-xml php-sqlite3 php-curl php-mbstring
fi

scripts/oidc-peer.sh

if [ "$#" -gt 0 ]; then
    exec python -m pytest "$@"
fi
SHOWN_LINES=200
stage "Lint" ruff check .
stage "Format" ruff format --check .
stage "Types" mypy
stage "Architecture" lint-imports
exec python -m pytest -n 2 --dist loadfile
