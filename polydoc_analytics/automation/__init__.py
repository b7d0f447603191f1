"""What the configuration asks for: reports and when, alerts, and who gets them, checked as a whole."""

from polydoc_analytics.automation.config import AlertPlan, Plans, ReportPlan, SchedulePlan, TargetPlan, plans
from polydoc_analytics.automation.json_schema import file_schema

__all__ = ["AlertPlan", "Plans", "ReportPlan", "SchedulePlan", "TargetPlan", "file_schema", "plans"]
