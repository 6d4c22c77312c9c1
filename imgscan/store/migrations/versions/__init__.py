"""The revisions, oldest first by name. What was once released is not changed any more."""
