"""Figures beside their reference and their goal, as text."""

from dataclasses import dataclass
from typing import Literal

FIRST = 42
WIDTHS = (8, 9, 8, 9)
HEAD = ["", "ours", "reference", "compared", "goal", ""]


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
    def compared(self) -> float | None:
        """The number that the goal is about; None where there is nothing to compare with."""
        if self.judged == "figure":
            return self.ours
        if self.reference is None:
            return None
        if self.judged == "difference":
            return self.ours - self.reference
        return self.ours / self.reference

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without one."""
        if self.compared is None:
            return None
        if self.at_most is not None:
            return self.compared <= self.at_most
        return self.compared >= self.at_least if self.at_least is not None else None

    def cells(self) -> list[str]:
        """The row as text, cell by cell."""
        goal = ""
        if self.at_most is not None:
            goal = f"<= {self._styled(self.at_most)}"
        elif self.at_least is not None:
            goal = f">= {self._styled(self.at_least)}"
        return [
            self.what,
            number(self.ours),
            "" if self.reference is None else number(self.reference),
            "" if self.judged == "figure" else self._styled(self.compared),
            goal,
            {None: "", True: "met", False: "MISSED"}[self.met],
        ]

    def _styled(self, value: float | None) -> str:
        if value is None:
            return ""
        styles = {"ratio": f"{value:.2f} x", "difference": f"{value:+.0f}"}
        return styles.get(self.judged, number(value))


@dataclass(frozen=True)
class Table:
    """What was measured in one go; `reference` and `note` say what stands on each side."""

    title: str
    reference: str
    rows: list[Row]
    note: str = ""

    def __str__(self) -> str:
        lines = [self.title, f"  reference: {self.reference}"]
        lines += [f"  {self.note}"] if self.note else []
        lines += [_line(HEAD), *(_line(row.cells()) for row in self.rows)]
        return "\n".join(lines)


def number(value: float) -> str:
    """A figure with as many digits as one can believe."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"


def _line(cells: list[str]) -> str:
    first, *others, verdict = cells
    figures = [cell.rjust(width) for cell, width in zip(others, WIDTHS, strict=True)]
    return "  ".join(["", first.ljust(FIRST), *figures, verdict]).rstrip()
