"""Building an image again and again: Dockerfile and context -> BuildTrace, Timings, CacheMetrics."""
