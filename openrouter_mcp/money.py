"""Money: USD as `Decimal`, read from foreign JSON, shown to people."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

MILLION = 1_000_000
"""Prices are shown per million tokens."""
NANO = 1_000_000_000
"""The store holds money in whole nano-dollars."""
LARGEST = Decimal(10**12)
SMALLEST = Decimal("1e-18")
"""USD above and below which an amount is an error of who told it."""


def parse_usd(value: object) -> Decimal | None:
    """USD as OpenRouter tells it (a JSON number or string), exactly; None if it is no price."""
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    if amount == 0:
        return Decimal(0)
    # Adding a sign rounds what has more digits than anybody would read.
    return +amount if amount.is_finite() and SMALLEST <= amount < LARGEST else None


def usd_number(amount: Decimal) -> float:
    """USD as a JSON number with nano-dollars; sums are made before, in `Decimal`."""
    return float(round(amount, 9))


def dollars(amount: Decimal) -> str:
    """USD for people: cents, and below a dollar three significant digits."""
    if amount == 0:
        return "$0"
    digits = 2 - min(0, amount.adjusted())
    whole, _, cents = f"${amount:,.{digits}f}".partition(".")
    return f"{whole}.{cents[:2]}{cents[2:].rstrip('0')}"
