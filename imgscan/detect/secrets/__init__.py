"""Secrets: rule packs and bytes in, redacted hits out.

`rules` (what to look for) -> `matcher` (where it may be) -> `confirm` (where it is) -> `filters` and `validators` (what
it is worth) -> `hits` -> `blocksearch` (a window) -> `scanner` (a document), `unpack` (what is packed in it) ->
`weighing` and `findings` (many, in their places). `documents` makes documents of an image's configuration and of
project files.
"""
