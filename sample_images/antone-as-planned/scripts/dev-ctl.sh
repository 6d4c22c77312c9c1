#!/bin/bash
set -euo pipefail

COMMAND="$1"
shift

# Block dangerous commands
if [[ "$COMMAND" == "down" && ( "$*" == "-v" || "$*" == "--volumes" ) ]]; then
  echo "🚨 CRITICAL: You are attempting to delete all Docker volumes, including the database."
  read -p "Are you sure? This cannot be undone. (y/N): " -r REPLY
  if [[ ! "$REPLY" =~ ^[yY]$ ]]; then
    echo "Aborted."
    exit 1
  fi
fi

echo "🚀 Executing: docker-compose -f docker/docker-compose.yml -f docker/docker-compose.dev.yml $COMMAND $*"
docker-compose -f docker/docker-compose.yml -f docker/docker-compose.dev.yml "$COMMAND" "$@"
