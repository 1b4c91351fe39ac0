"""What it costs to send a cart."""

from decimal import Decimal

FREE_FROM = Decimal(50)
FLAT = Decimal("4.90")


def cost(total: Decimal) -> Decimal:
    return Decimal() if total >= FREE_FROM else FLAT
