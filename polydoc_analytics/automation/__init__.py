"""Everything that happens by itself: schedules, alerts and delivery, planned in the settings and checked as a whole."""

from polydoc_analytics.automation.config import Plans, plans

__all__ = ["Plans", "plans"]
