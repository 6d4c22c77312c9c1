"""Saying what a run over a fleet found: one module a format."""
