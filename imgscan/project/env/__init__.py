"""Variables and the files that give them (CONFIG-001): compose, examples, services and sources compared. Pure."""
