"""Who is on call, and how they are called: PagerDuty, Opsgenie, and user groups of Slack."""
