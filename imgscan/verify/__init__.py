"""Proving it: the container set-up run as a copy, in a project of our own, and what was seen. In: the set-up and an
engine. Out: one `Verification` a proof, and findings for those that failed."""
