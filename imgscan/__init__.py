"""imgscan: what is in an image, what an edit costs, and whether it may merge."""

__version__ = "0.1.0"
