#!/usr/bin/env bash
# All the set-up, then the product at http://localhost:8765. Settings: see .env.example.
set -euo pipefail

case "${LEANVIBE_HOME:-/}" in
    /*) ;;
    *) export LEANVIBE_HOME="$PWD/$LEANVIBE_HOME" ;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")"
source scripts/setup.sh

make_environment requirements.lock
exec .venv/bin/leanvibe-server start "$@"
