"""Loaders: every source as batches of checked runs and rejected rows, streamed in bounded memory."""
