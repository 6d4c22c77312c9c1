"""Shell texts of the project, parsed: scripts, package scripts, make recipes, CI steps, README code. Pure."""
