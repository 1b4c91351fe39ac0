"""Health, asked over HTTP as a user would."""

from integrations.http_health.probe import HttpHealthProbe
from integrations.http_health.settings import Endpoint, HttpHealthSettings

__all__ = ["Endpoint", "HttpHealthProbe", "HttpHealthSettings"]
