"""Readers of the service's REST API and its PostgreSQL."""
