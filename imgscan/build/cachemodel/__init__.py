"""The engine's cache as a model: what changed between two builds -> which steps are taken from the cache, and why."""
