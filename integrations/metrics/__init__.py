"""Metrics: Prometheus, a JSON endpoint, CloudWatch."""
