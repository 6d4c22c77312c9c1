"""Whether services start in order, are reachable, and say truly how they are (OPS-001)."""
