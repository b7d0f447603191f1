"""The configuration that ``config init`` writes: what works at once, and the rest to be uncommented."""

EXAMPLE = """#:schema ./polydoc-analytics.schema.json
# Flags win over the environment (POLYDOC_ANALYTICS_*), that over this file. Secrets stand here by the name of an
# environment variable alone.
lake = "lake"
timezone = "UTC"
locale = "en_GB"

# [branding]
# title = "Example Ltd"
# logo = "logo.svg"
# accent = "#1f5fa8"

[sources.exports]
kind = "files"
path = "exports/"

# [sources.api]
# kind = "api"
# base = "https://api.polydoc.ai"     # the token is in POLYDOC_BEARER_AUTH

[schedule]
sync = ["exports"]
alerts = true
# tell = ["operations"]               # who hears when a report failed

[[reports]]
name = "weekly"
kind = "overview"
schedule = "weekly"                   # Monday at 07:00; or a cron expression, "0 7 * * 1"
period = "last-week"
formats = ["html", "pdf"]
output = "reports/{report}/{period}"
# deliver = ["operations"]

[[alerts]]
name = "failing-languages"
view = "usage_weekly_by_language"
measure = "failure_rate"
above = 0.1
min_runs = 10
# deliver = ["operations"]

# [delivery.operations]
# kind = "email"
# host = "smtp.example.com"
# user = "reports"
# password_env = "SMTP_PASSWORD"
# from = "reports@example.com"
# to = ["operations@example.com"]
"""
