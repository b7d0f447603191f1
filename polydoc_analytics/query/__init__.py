"""Runs as a database: views, SQL, export."""
