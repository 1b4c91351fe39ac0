"""Where open actions become issues: GitHub and Jira. See README.md."""
