#!/usr/bin/env bash
# Has compose read docker-compose.yml with throw-away secrets; it starts nothing and needs no engine.
# Usage: scripts/check-compose.sh docker compose|docker-compose
set -euo pipefail
cd "$(dirname "$0")/.."
secrets=$(mktemp)
trap 'rm -f "$secrets"' EXIT
sed 's/=$/=throw-away/' .env.example >"$secrets"
"$@" --env-file "$secrets" --file docker-compose.yml config --quiet
