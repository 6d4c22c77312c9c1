"""A small service that keeps notes in memory."""
