"""Compose files as compose itself reads them: YAML with positions, interpolation, merging -> `ComposeProject`. Pure."""
