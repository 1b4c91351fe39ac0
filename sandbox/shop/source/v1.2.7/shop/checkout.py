"""From a cart to an order."""

import itertools

from . import cart, database

numbers = itertools.count(1)


def quote(customer: int) -> database.Row:
    """What the customer would pay."""
    return {"customer": customer, "total": str(cart.total(cart.lines(customer)))}


def order(customer: int) -> database.Row:
    return {**quote(customer), "order": next(numbers)}
