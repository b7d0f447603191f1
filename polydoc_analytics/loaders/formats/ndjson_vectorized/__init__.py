"""NDJSON whose lines have one layout, decoded a block at a time."""
