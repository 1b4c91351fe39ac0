"""What the shop sells."""

from . import database


def products(query: dict[str, list[str]]) -> list[database.Row]:
    """All products, or the first `?limit=10`."""
    rows = database.query("products")
    return rows[: int(query["limit"][0])] if "limit" in query else rows
