"""Many images: sources -> a plan of distinct layers -> each one read once, here or on a cluster -> a report of all."""
