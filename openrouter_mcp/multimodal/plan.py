"""What media and data tools have in common: a plan with its price, shown or carried out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fastmcp.tools import ToolResult

from openrouter_mcp.app import App
from openrouter_mcp.jobs.paid_calls import PaidCall
from openrouter_mcp.models.names import Resolution
from openrouter_mcp.money import dollars
from openrouter_mcp.results import ESTIMATE_META, abbreviated, tool_result

SHOWN_REQUEST = 2000


@dataclass(kw_only=True)
class MediaPlan(PaidCall):
    """A call that is no chat, decided and checked before anything is paid."""

    tool: str
    model: Resolution
    path: str
    """The endpoint that is paid."""
    request: Mapping[str, Any]
    """What a dry run shows of the request: its parameters, media by their names."""
    most: Decimal | None = None
    """USD that it can cost at most; None where nothing bounds it."""
    limit: Decimal | None = None
    subject: str = ""
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The model."""
        return self.model.id

    async def dry_run(self) -> ToolResult:
        """What the plan would send and cost, without sending it."""
        price = "not listed" if self.most is None else f"{dollars(self.most)} at most"
        parameters = abbreviated({"model": self.model.id, **self.request})
        request = json.dumps(parameters, ensure_ascii=False)
        if len(request) > SHOWN_REQUEST:
            request = f"{request[:SHOWN_REQUEST]}... ({len(request):,} characters)"
        how = f" ({self.model.how})" if self.model.how else ""
        lines = [
            "Dry run: nothing was sent.",
            f"Model: {self.model.id}{how}",
            f"Cost: {price}",
            f"Request to {self.path}: {request}",
            *(f"Note: {note}" for note in self.notes),
        ]
        meta = {
            "model": self.model.id,
            "usd_most": None if self.most is None else f"{self.most:f}",
        }
        return tool_result("\n".join(lines), meta={ESTIMATE_META: meta})


def limit_of(app: App, max_cost: float) -> Decimal | None:
    """USD that all requests of a call may cost: `max_cost` (0 = none) and the cap per call."""
    return app.budget.limit(Decimal(str(max_cost)))
