"""The services file, kaeru.yml: read with positions, checked as a whole, and asked by everything else."""

from bot.catalog.durations import Duration, format_duration, parse_duration
from bot.catalog.loading import Kinds, load_catalog
from bot.catalog.model import Adapter, Catalog, Component, Service
from bot.catalog.problems import CatalogInvalid, Problem
from bot.catalog.schema import catalog_schema
from bot.catalog.spec import EndpointSpec, HealthSpec, VersionSpec

__all__ = [
    "Adapter",
    "Catalog",
    "CatalogInvalid",
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
