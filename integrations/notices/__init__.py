"""Ways to tell people outside of an incident: by e-mail, to a webhook, on a status page, in Slack."""
