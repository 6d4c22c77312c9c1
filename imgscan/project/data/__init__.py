"""DATA-001: volumes that can be lost, commands that delete them, wrappers that let them through, missing backups."""
