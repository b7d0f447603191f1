"""Alerts: rules over the runs, their remembered state, and notices when it changes."""
