"""Archives inside files: compressed streams, zip, tar, cpio, Debian and RPM packages, opened as their bytes pass by.

In: a document's bytes, forwards and once. Out: the documents inside, each with a name of its own, to whoever searches
them. Nothing is written to disk, a level takes a window or two of memory, and what is left out is told.
"""
