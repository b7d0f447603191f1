"""SQL for other engines: the portable subset and its translation."""
