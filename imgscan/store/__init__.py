"""Remembering from one run to the next: results of layers."""
