"""From a cart to an order."""

import itertools

from . import cart, currency, database, shipping

numbers = itertools.count(1)


def quote(customer: int) -> database.Row:
    """What the customer would pay, in the customer's currency."""
    goods = cart.total(cart.lines(customer))
    sending = shipping.cost(goods)
    (account,) = database.query("customers", id=customer)
    wanted = account["currency"]  # asked for at sign-up
    return {
        "customer": customer,
        "goods": str(currency.convert(goods, wanted)),
        "shipping": str(currency.convert(sending, wanted)),
        "total": str(currency.convert(goods + sending, wanted)),
        "currency": wanted,
    }


def order(customer: int) -> database.Row:
    return {**quote(customer), "order": next(numbers)}
