# Shared by start.sh and test.sh, which source it in the root of the clone. Works in bash 3.2.
# It writes below .venv and .tools only; system packages are added where root or a
# password-less sudo allows it, else the one command is named.

set -euo pipefail

TOOLS="$PWD/.tools"
LOG="$TOOLS/setup.log"
OLDEST_UV=0.8
NEEDED_KB=700000

export UV_CACHE_DIR="${UV_CACHE_DIR:-$TOOLS/cache}"
export UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1 UV_NO_CONFIG=1
unset PYTHONHOME PYTHONPATH VIRTUAL_ENV

fail() {
    printf 'leanvibe: %s\n' "$*" >&2
    exit 1
}

now() {
    # EPOCHREALTIME came with bash 5; its decimal sign follows the locale.
    local time="${EPOCHREALTIME:-$(date +%s).0}"
    printf '%s' "${time/,/.}"
}

# stage NAME COMMAND...: one line of progress; the command's output is shown only when it fails.
# bash does not stop at a failure inside COMMAND, so functions chain their steps with &&.
stage() {
    local name="$1" began status=0
    shift
    began="$(now)"
    printf '  %-24s' "$name"
    ("$@") >"$LOG" 2>&1 </dev/null || status=$?
    if [ "$status" -ne 0 ]; then
        printf ' failed\n'
        if grep -qiE 'no space left|os error 28' "$LOG"; then
            fail "No space left on the disk of $PWD: free some and start again."
        fi
        tail -n "${SHOWN_LINES:-20}" "$LOG" >&2
        fail "$name failed; all of its output is in $LOG"
    fi
    awk -v began="$began" -v ended="$(now)" 'BEGIN { printf "%6.1f s\n", ended - began }'
}

may_install() {
    command -v apt-get >/dev/null && { [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null; }
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

# A fresh system has no package lists yet.
install_packages() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" && return
    as_root apt-get update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# require_packages WHY PACKAGE...: add them, or name the command that does.
require_packages() {
    local why="$1"
    shift
    may_install || fail "$why $(how_to_install "$@")"
    stage "System packages" install_packages "$@"
}

# want_packages WHY PACKAGE...: the same, but go on without them; only CI insists.
want_packages() {
    if may_install || [ "${CI:-}" = true ]; then
        require_packages "$@"
    else
        local why="$1"
        shift
        printf '  %s %s\n' "$why" "$(how_to_install "$@")"
    fi
}

how_to_install() {
    if command -v apt-get >/dev/null; then
        echo "Run: sudo apt-get install -y $*"
    elif command -v brew >/dev/null; then
        echo "Run: brew install python@3.13 git"
    else
        echo "Install it with your system's package manager."
    fi
}

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

# Sets PYTHON to a real interpreter, not to a version manager's stand-in for one.
find_python() {
    local name
    for name in python3.13 python3.12 python3.11 python3 python3.14 python; do
        if is_new_enough "$name"; then
            PYTHON="$("$name" -c 'import sys; print(sys.executable)')"
            return 0
        fi
    done
    return 1
}

require_python() {
    find_python && return
    local found="none was found"
    if command -v python3 >/dev/null; then found="found $(python3 -V 2>&1)"; fi
    require_packages "Python 3.11 or newer is needed ($found)." python3 python3-venv
    find_python || fail "Python 3.11 or newer is needed ($found), and this system offers none."
}

require_git() {
    command -v git >/dev/null || require_packages "git is needed." git
}

uv_is_new_enough() {
    local version
    version="$("$1" --version 2>/dev/null | awk '{ print $2 }')" || return 1
    [ -n "$version" ] && printf '%s\n%s\n' "$OLDEST_UV" "$version" | sort -C -t. -k1,1n -k2,2n
}

# Sets UV to one on the PATH, or to our own in .tools.
require_uv() {
    local candidate
    for candidate in "$TOOLS/uv/bin/uv" uv; do
        if uv_is_new_enough "$candidate"; then
            UV="$candidate"
            return
        fi
    done
    if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
        local version
        version="$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
        require_packages "Python's venv module is missing." "python$version-venv"
    fi
    stage "Installer (uv)" install_uv
    UV="$TOOLS/uv/bin/uv"
}

install_uv() {
    rm -rf "$TOOLS/uv" &&
        "$PYTHON" -m venv "$TOOLS/uv" &&
        "$TOOLS/uv/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir \
            --require-hashes --requirement scripts/installer.lock
}

require_space() {
    local free_kb
    free_kb="$(df -Pk . | awk 'NR == 2 { print $4 }')"
    [ "$free_kb" -ge "$NEEDED_KB" ] ||
        fail "No space left on the disk of $PWD: $((NEEDED_KB / 1000)) MB are needed, $((free_kb / 1000)) MB are free."
}

# What an environment was made from: it is made anew only when this changes, or the clone moved.
describe_sources() {
    pwd
    cksum pyproject.toml sdks/python/pyproject.toml scripts/build.lock "$@"
}

install_locked() {
    "$UV" pip sync --quiet --python .venv/bin/python --require-hashes scripts/build.lock "$@" &&
        "$UV" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation \
            --editable . --editable sdks/python
}

# make_environment LOCK...: .venv with exactly the locked packages, and our own.
make_environment() {
    local locks=("$@") stamp=.venv/made-from
    # Who also runs the tests keeps their packages when only the product is started.
    if [ "$#" -eq 1 ] && [ -f "$stamp" ] && grep -q requirements-dev.lock "$stamp"; then
        locks=("$1" requirements-dev.lock)
    fi
    if [ -f "$stamp" ] && is_new_enough .venv/bin/python &&
        [ "$(describe_sources "${locks[@]}")" = "$(cat "$stamp")" ]; then
        return
    fi
    require_space
    mkdir -p "$TOOLS" 2>/dev/null || fail "$PWD cannot be written to."
    require_git
    require_python
    require_uv
    # The scripts of an environment name its place: a clone that was moved needs a new one.
    if ! is_new_enough .venv/bin/python ||
        { [ -f "$stamp" ] && [ "$(head -n 1 "$stamp")" != "$PWD" ]; }; then
        rm -rf .venv
        stage "Environment" "$UV" venv --quiet --python "$PYTHON" .venv
    fi
    rm -f "$stamp"
    stage "Packages" install_locked "${locks[@]}"
    describe_sources "${locks[@]}" >"$stamp"
}
