"""Mending a Dockerfile and its ignore file: what to change (`suggest`), as a diff (`diff`), and the proof (`prove`)."""
