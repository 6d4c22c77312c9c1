#!/bin/bash
# Every night, from the crontab of the host.
find backups -name '*.dump.gz' -mtime +7 -delete
docker-compose -f docker/docker-compose.yml exec postgres pg_dump -Fc -U postgres | gzip > backups/antone.dump.gz
echo "backup done"
