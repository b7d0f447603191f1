"""Everything that happens by itself: schedules, alerts and delivery, planned in the settings and checked as a whole."""

from polydoc_analytics.automation.config import AlertPlan, Plans, ReportPlan, SchedulePlan, TargetPlan, plans
from polydoc_analytics.automation.json_schema import file_schema

__all__ = ["AlertPlan", "Plans", "ReportPlan", "SchedulePlan", "TargetPlan", "file_schema", "plans"]
