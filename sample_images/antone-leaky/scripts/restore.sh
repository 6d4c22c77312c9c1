#!/bin/bash
gunzip -c "${1:-backups/antone.dump.gz}" | docker exec -it docker-postgres-1 pg_restore -U postgres -d postgres
echo "restored"
