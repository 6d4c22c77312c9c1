"""DATA-001: volumes that can be lost, commands that delete them, wrappers that do not stop them, backups nobody makes."""
