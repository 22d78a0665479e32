#!/usr/bin/env bash
# Has compose read docker-compose.yml with throw-away secrets and settings; it starts nothing and needs no engine.
# Usage: scripts/check-compose.sh docker compose|docker-compose
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
sed 's/=$/=throw-away/' .env.example >"$folder/env"
cp config/settings.env.example "$folder/settings.env"
export SETTINGS_FOLDER=$folder
"$@" --env-file "$folder/env" --file docker-compose.yml config --quiet
# With workers as well.
printf '%s\n' COMPOSE_PROFILES=workers AIRFLOW_EXECUTOR=CeleryExecutor RUNS_URL=s3://bucket/runs >>"$folder/env"
"$@" --env-file "$folder/env" --file docker-compose.yml config --quiet
