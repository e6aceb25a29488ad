"""Figures beside their reference and their goal, as text."""

from dataclasses import dataclass, field
from typing import Literal

WIDTHS = (44, 10, 10, 9, 9)


@dataclass(frozen=True)
class Row:
    """One figure; `judged` says what the goal is about: the figure, its ratio or its distance."""

    what: str
    ours: float
    reference: float | None = None
    judged: Literal["figure", "ratio", "difference"] = "ratio"
    at_most: float | None = None
    at_least: float | None = None

    @property
    def comparison(self) -> float | None:
        """The number that the goal is about."""
        if self.judged == "figure" or self.reference is None:
            return self.ours if self.judged == "figure" else None
        if self.judged == "difference":
            return self.ours - self.reference
        return self.ours / self.reference

    @property
    def verdict(self) -> str:
        """`met` or `missed`; empty without a goal."""
        value = self.comparison
        if value is None or (self.at_most is None and self.at_least is None):
            return ""
        low = float("-inf") if self.at_least is None else self.at_least
        high = float("inf") if self.at_most is None else self.at_most
        return "met" if low <= value <= high else "MISSED"

    def cells(self) -> list[str]:
        """The row as text, cell by cell."""
        compared = "" if self.judged == "figure" else self._compared(self.comparison)
        goal = ""
        if self.at_most is not None:
            goal = f"<= {self._compared(self.at_most)}"
        elif self.at_least is not None:
            goal = f">= {self._compared(self.at_least)}"
        reference = "" if self.reference is None else number(self.reference)
        return [self.what, number(self.ours), reference, compared, goal, self.verdict]

    def _compared(self, value: float | None) -> str:
        if value is None:
            return ""
        styles = {"ratio": f"{value:.2f} x", "difference": f"{value:+.0f}"}
        return styles.get(self.judged, number(value))


@dataclass
class Table:
    """What was measured in one go; `reference` and `note` say what stands on each side."""

    title: str
    reference: str
    rows: list[Row]
    note: str = ""
    head: list[str] = field(default_factory=lambda: ["", "ours", "reference", "compared", "goal"])

    def __str__(self) -> str:
        lines = [f"{self.title}; reference: {self.reference}"]
        lines += [f"  ({self.note})"] if self.note else []
        lines += [_line([*self.head, ""]), *(_line(row.cells()) for row in self.rows)]
        return "\n".join(lines)


def number(value: float) -> str:
    """A figure with as many digits as one can believe."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"


def _line(cells: list[str]) -> str:
    first, *others, last = cells
    right = (cell.rjust(width) for cell, width in zip(others, WIDTHS[1:], strict=True))
    return f"  {first.ljust(WIDTHS[0])}{''.join(right)}  {last}".rstrip()
