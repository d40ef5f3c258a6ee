#!/usr/bin/env bash
# Installs the OpenID Connect provider that the sign-in is tested against into .tools, from the
# lock file beside its server. Does nothing when it is there; says so when npm is missing.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
source_dir=tests/peers/oidc_provider
target=.tools/oidc-provider

if ! command -v npm >/dev/null; then
    echo "npm is missing: the test against a real OpenID Connect provider is skipped." >&2
    exit 0
fi
if cmp -s "$source_dir/package-lock.json" "$target/installed.json"; then
    exit 0
fi
mkdir -p "$target"
cp "$source_dir/package.json" "$source_dir/package-lock.json" "$source_dir/.npmrc" "$target/"
if (cd "$target" && npm ci --silent --no-progress); then
    cp "$source_dir/package-lock.json" "$target/installed.json"
else
    echo "oidc-provider could not be installed: the test against it is skipped." >&2
fi
