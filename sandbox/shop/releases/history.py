"""The shop's history: which commit brings which files of which version.

`sandbox/shop/source/<version>/` holds the files that a version changes; a commit takes some of them. So the
source stays readable here and the repository that is made from it has small commits.
"""

import dataclasses
from datetime import UTC, datetime

RELEASES = ("v1.2.8", "v1.2.9", "v1.3.0")
BAD = "v1.3.0"


@dataclasses.dataclass(frozen=True)
class Commit:
    at: datetime
    author: str  # a name; the address is derived from it, under example.com
    message: str
    version: str  # the folder of `source/` that the files come from
    files: tuple[str, ...]
    tag: str | None = None


def _at(month: int, day: int, hour: int, minute: int) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


HISTORY: tuple[Commit, ...] = (
    Commit(
        _at(9, 1, 9, 12),
        "Carol",
        "Serve HTTP, and stop without dropping a request\n\n"
        "The listening socket may come from a supervisor. On SIGTERM the shop accepts nothing new\n"
        "and finishes what it has begun.",
        "v1.2.7",
        ("shop/__main__.py", "shop/settings.py", "shop/server.py", "README.md"),
    ),
    Commit(
        _at(9, 2, 14, 40),
        "Dan",
        "Sell tea: products, a cart and a checkout",
        "v1.2.7",
        (
            "shop/database.py",
            "shop/catalog.py",
            "shop/cart.py",
            "shop/checkout.py",
            "data/products.json",
            "data/customers.json",
        ),
    ),
    Commit(_at(9, 3, 10, 5), "Carol", "Show the shop as a page", "v1.2.7", ("shop/page.html",)),
    Commit(
        _at(9, 7, 8, 30),
        "Carol",
        "Release v1.2.7",
        "v1.2.7",
        ("shop/__init__.py", "CHANGELOG.md"),
        tag="v1.2.7",
    ),
    Commit(
        _at(9, 21, 11, 48),
        "Dan",
        "Cart: shipping is free from 50 euros",
        "v1.2.8",
        ("shop/shipping.py", "shop/cart.py"),
    ),
    Commit(
        _at(9, 22, 15, 2),
        "Dan",
        "Checkout: say what shipping costs",
        "v1.2.8",
        ("shop/checkout.py",),
    ),
    Commit(
        _at(9, 28, 8, 31),
        "Carol",
        "Release v1.2.8",
        "v1.2.8",
        ("shop/__init__.py", "CHANGELOG.md"),
        tag="v1.2.8",
    ),
    Commit(
        _at(10, 13, 13, 20),
        "Bob",
        "Products: a category each, sorted by name",
        "v1.2.9",
        ("shop/catalog.py", "data/products.json"),
    ),
    Commit(
        _at(10, 15, 9, 55),
        "Carol",
        "Page: say from when on shipping is free",
        "v1.2.9",
        ("shop/page.html",),
    ),
    Commit(
        _at(10, 19, 8, 29),
        "Carol",
        "Release v1.2.9",
        "v1.2.9",
        ("shop/__init__.py", "CHANGELOG.md"),
        tag="v1.2.9",
    ),
    Commit(
        _at(11, 9, 10, 41),
        "Dan",
        "Currencies: rates for euro, pound, yen and krona",
        "v1.3.0",
        ("shop/currency.py", "data/rates.json"),
    ),
    Commit(
        _at(11, 10, 16, 7),
        "Bob",
        "Sign-up asks for the currency\n\nAccounts from before the change get theirs with the next migration.",
        "v1.3.0",
        ("data/customers.json",),
    ),
    Commit(
        _at(11, 11, 11, 15),
        "Bob",
        "Cart: show the customer's currency",
        "v1.3.0",
        ("shop/cart.py",),
    ),
    Commit(
        _at(11, 12, 17, 52),
        "Dan",
        "Checkout: charge in the customer's currency",
        "v1.3.0",
        ("shop/checkout.py",),
    ),
    Commit(
        _at(11, 16, 14, 33),
        "Dan",
        "Products: show the pieces in stock",
        "v1.3.0",
        ("shop/catalog.py", "data/stock.json"),
        tag="v1.3.0-rc1",
    ),
    Commit(
        _at(11, 18, 9, 20),
        "Carol",
        "Page: prices with their currency, and the stock",
        "v1.3.0",
        ("shop/page.html",),
    ),
    Commit(
        _at(11, 23, 8, 34),
        "Carol",
        "Release v1.3.0",
        "v1.3.0",
        ("shop/__init__.py", "CHANGELOG.md"),
        tag="v1.3.0",
    ),
)
