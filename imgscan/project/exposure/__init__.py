"""SEC-001 around the image: credentials in compose files, files of variables that are shared or committed."""
