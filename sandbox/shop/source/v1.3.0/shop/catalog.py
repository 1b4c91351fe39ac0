"""What the shop sells."""

from . import database


def pieces(product: int) -> int:
    (row,) = database.query("stock", product=product)
    return int(row["pieces"])


def products(query: dict[str, list[str]]) -> list[database.Row]:
    """All products, or those of `?category=green` or the first `?limit=10`, by name, with the pieces in stock."""
    rows = database.query("products")
    if wanted := query.get("category"):
        rows = [row for row in rows if row["category"] in wanted]
    rows = sorted(rows, key=lambda row: row["name"])
    rows = rows[: int(query["limit"][0])] if "limit" in query else rows
    return [{**row, "pieces": pieces(row["id"])} for row in rows]
