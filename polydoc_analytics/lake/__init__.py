"""The lake: every run for good, with what was known when, in four Delta tables of a folder or an object store."""
