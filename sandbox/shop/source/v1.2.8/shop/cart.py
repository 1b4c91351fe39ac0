"""A customer's cart."""

from decimal import Decimal

from . import database, shipping


def lines(customer: int) -> list[database.Row]:
    """Three products that depend on the customer, so that every cart is a little different."""
    products = database.query("products")
    chosen = [products[(customer * step) % len(products)] for step in (1, 5, 11)]
    return [{**product, "quantity": 1 + (customer + index) % 2} for index, product in enumerate(chosen)]


def total(found: list[database.Row]) -> Decimal:
    return sum((Decimal(line["price"]) * line["quantity"] for line in found), Decimal())


def show(customer: int) -> database.Row:
    found = lines(customer)
    goods = total(found)
    return {"customer": customer, "lines": found, "total": str(goods), "shipping": str(shipping.cost(goods))}
