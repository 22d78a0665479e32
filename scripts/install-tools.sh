#!/usr/bin/env bash
# Installs Debian packages that checks, tests and native workers need, such as `chromium` and `redis-server`.
# Usage: scripts/install-tools.sh PACKAGE…; nothing happens where a program of that name is there already.
set -euo pipefail

missing=()
for package in "$@"; do
    command -v "$package" >/dev/null || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi

if ! command -v apt-get >/dev/null; then
    echo "✘ This needs ${missing[*]}, and there is no apt-get to install it. Install it in your system's own way." >&2
    exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "✘ This needs ${missing[*]}. As root: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi
echo "• Installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -qq --yes --no-install-recommends "${missing[@]}" >/dev/null
