"""From a cart to an order."""

import itertools

from . import cart, database, shipping

numbers = itertools.count(1)


def quote(customer: int) -> database.Row:
    """What the customer would pay."""
    goods = cart.total(cart.lines(customer))
    sending = shipping.cost(goods)
    return {
        "customer": customer,
        "goods": str(goods),
        "shipping": str(sending),
        "total": str(goods + sending),
    }


def order(customer: int) -> database.Row:
    return {**quote(customer), "order": next(numbers)}
