"""The command line: one module a command; `main` maps errors to exit codes."""
