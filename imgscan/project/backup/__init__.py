"""OPS-003: scripts that back up and restore, and how they fail without saying so."""
