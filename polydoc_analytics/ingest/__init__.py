"""Checked batches → one table of runs: the merge rule, quarantine, accounting, Parquet folders."""
