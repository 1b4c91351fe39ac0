"""Prices in the customer's currency. The catalogue is in euros."""

from decimal import Decimal

from . import database

HOME = "EUR"


def convert(euros: Decimal, currency: str) -> Decimal:
    (row,) = database.query("rates", currency=currency)
    return (euros * Decimal(row["rate"])).quantize(Decimal("0.01"))
