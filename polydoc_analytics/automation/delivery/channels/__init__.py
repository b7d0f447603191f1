"""Ways to deliver: mail, Slack, webhooks, storage."""
