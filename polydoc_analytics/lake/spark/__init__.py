"""Loading a lake on a Spark cluster."""
