"""Where a lake's files are: on a disk, or in an object store."""
