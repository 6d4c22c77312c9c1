"""Weighing what was found: the catalogue of risks, the register with probability and impact, the verdict."""
