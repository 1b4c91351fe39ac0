"""The services file, kaeru.yml: read with positions, checked as a whole, and asked by everything else."""

from bot.catalog.durations import Duration, format_duration, parse_duration
from bot.catalog.health_spec import EndpointSpec, HealthSpec, VersionSpec
from bot.catalog.loading import Kinds, load_catalog
from bot.catalog.model import Adapter, Catalog, Component, Service
from bot.catalog.problems import CatalogInvalid, Problem
from bot.catalog.schema import catalog_schema
from bot.catalog.texts import Channel

__all__ = [
    "Adapter",
    "Catalog",
    "CatalogInvalid",
    "Channel",
    "Component",
    "Duration",
    "EndpointSpec",
    "HealthSpec",
    "Kinds",
    "Problem",
    "Service",
    "VersionSpec",
    "catalog_schema",
    "format_duration",
    "load_catalog",
    "parse_duration",
]
