"""Who talks to whom between the services of a compose project (TECH-002)."""
