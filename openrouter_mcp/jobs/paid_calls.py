"""The one path of every paid tool: plan, dry run or consent, job, paid requests, reply."""

from __future__ import annotations

from abc import ABC, abstractmethod
from decimal import Decimal

from fastmcp.tools import ToolResult
from mcp.types import InputRequiredResult

from openrouter_mcp.api.client import OpenRouter
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.jobs.jobs import Handle, Jobs
from openrouter_mcp.progress import Progress
from openrouter_mcp.results import RECEIPT_META, failed
from openrouter_mcp.settings import Settings
from openrouter_mcp.spending import consent
from openrouter_mcp.spending.budget import ASK_FOR_LESS, Budget
from openrouter_mcp.spending.consent import Expense
from openrouter_mcp.spending.estimate import MARGIN
from openrouter_mcp.spending.paid_request import Listed, Purchase
from openrouter_mcp.spending.receipts import Receipt, after_paying


class PaidCall(ABC):
    """One call of a paid tool whose arguments are checked; nothing is paid yet."""

    tool: str
    limit: Decimal | None
    """USD that all its requests together may cost; None if nothing but the caps limits them."""
    most: Decimal | None = None
    """USD that it can cost at most; None where its requests are bounded one by one."""
    subject: str = ""
    """The text whose first characters stand in the audit line."""
    less: str = ASK_FOR_LESS
    """What makes such a call cheaper, for the sentence that refuses it."""

    @property
    @abstractmethod
    def title(self) -> str:
        """The model, by which the job is called beside the tool."""

    @abstractmethod
    async def dry_run(self) -> ToolResult:
        """What it would send and cost. Nothing is paid."""

    async def consent(self, settings: Settings, progress: Progress) -> InputRequiredResult | None:
        """Ask the user where the cost needs a yes; a result is to be returned from the tool.

        Raises `BUDGET_EXCEEDED` unless the user says yes.
        """
        if not await self.exceeds(settings.confirm_above):
            return None
        expense = await self.expense()
        question = await consent.ask(progress, expense)
        if expense.most is not None and not question:
            await self.agreed(expense.most)
        return question

    async def agreed(self, most: Decimal) -> None:
        """The user has agreed to so many USD, which nothing may exceed from now on."""
        self.limit = most

    async def exceeds(self, threshold: Decimal) -> bool:
        """Whether it can cost more than that and cannot be kept below it; 0 means no threshold."""
        if not threshold or (self.limit is not None and self.limit <= threshold):
            return False
        try:
            return not await self.fit(threshold)
        except OpenRouterError as error:
            if error.code is not Code.BUDGET_EXCEEDED:
                raise
            return True

    async def fit(self, limit: Decimal) -> bool:
        """See to it that it costs `limit` USD at most; whether that could be done.

        What the caller asked for stays as it is: only an output limit that is nowhere given can
        be derived. May raise `BUDGET_EXCEEDED` instead.
        """
        if self.most is None or self.most > limit:
            return False
        self.limit = limit
        return True

    async def expense(self) -> Expense:
        """What the user is asked about where it could not be kept below the threshold."""
        return Expense(self.tool, self.title, self.at_most(self.most), self.subject)

    def at_most(self, most: Decimal | None) -> Decimal | None:
        """The highest cost in USD, within the limit of the call; None where nothing bounds it.

        It has room for an endpoint that is dearer than the catalogue says.
        """
        amounts = (None if most is None else most * MARGIN, self.limit)
        return min((each for each in amounts if each is not None), default=None)

    @abstractmethod
    async def perform(self, purchase: Purchase, handle: Handle) -> ToolResult:
        """Send what is paid through `purchase`, and reply. Raises `OpenRouterError`."""


def paid_in_vain(error: OpenRouterError, receipt: Receipt) -> ToolResult:
    """A call that was paid and gave nothing that can be used: why, and its receipt."""
    return failed(after_paying(error, receipt), receipt.line(), {RECEIPT_META: receipt.meta()})


class PaidCalls:
    """Carries out what a paid tool has planned."""

    def __init__(
        self,
        settings: Settings,
        client: OpenRouter,
        budget: Budget,
        jobs: Jobs,
        listed: Listed | None = None,
    ) -> None:
        """`listed` finds the models whose prices are remembered."""
        self._listed = listed
        self._settings = settings
        self._client = client
        self._budget = budget
        self._jobs = jobs

    async def carry_out(
        self, call: PaidCall, progress: Progress, *, dry_run: bool = False
    ) -> ToolResult | InputRequiredResult:
        """Show the call, or ask the user, or do it: its reply in time, else a job that goes on.

        Raises `OpenRouterError`, before anything is paid where the call cannot be paid.
        """
        if dry_run:
            return await call.dry_run()
        await self._client.key.require()
        if call.most is not None:
            self._budget.check(call.title, call.most, call.limit, less=call.less)
        if question := await call.consent(self._settings, progress):
            return question

        async def work(handle: Handle) -> ToolResult:
            purchase = Purchase(
                self._settings,
                self._client,
                self._budget,
                call.tool,
                self._budget.limit(call.limit),
                handle.report,
                call.subject,
                call.less,
                self._listed,
            )
            handle.receipt = purchase.so_far
            try:
                return await call.perform(purchase, handle)
            except OpenRouterError as error:
                if not purchase.receipts:
                    raise
                return paid_in_vain(error, await purchase.receipt())

        return await self._jobs.run(call.tool, call.title, work, progress)
