"""What the shop sells."""

from . import database


def products(query: dict[str, list[str]]) -> list[database.Row]:
    """All products, or those of `?category=green` or the first `?limit=10`, by name."""
    rows = database.query("products")
    if wanted := query.get("category"):
        rows = [row for row in rows if row["category"] in wanted]
    rows = sorted(rows, key=lambda row: row["name"])
    return rows[: int(query["limit"][0])] if "limit" in query else rows
