"""A chat in the terminal in which any OpenRouter model uses your MCP servers.

    OPENROUTER_API_KEY=... OPENROUTER_MCP_CONFIG=mcp.json python examples/agent_chat.py [model]

Answers stream, tool calls are shown as they happen, the conversation goes on until `quit`. Tools
that may change something are used only where OPENROUTER_AGENT_ALLOW names them.
"""

import asyncio
import contextlib
import sys
from typing import Any

from rich.console import Console

from openrouter_mcp import settings
from openrouter_mcp.agent.loop import SYSTEM, Agent, Limits, Step, Watch
from openrouter_mcp.agent.run_log import RunLog
from openrouter_mcp.agent.toolbox import Toolbox, open_toolbox
from openrouter_mcp.app import App
from openrouter_mcp.chat.exchange import pay
from openrouter_mcp.completions.answer import Answer, Listener
from openrouter_mcp.completions.request import CallerRequest, ChatRequest, compose
from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.mcp_client.servers import McpServers
from openrouter_mcp.progress import silent
from openrouter_mcp.spending.paid_request import Purchase

console = Console(highlight=False, soft_wrap=True)


def show(text: str, style: str = "", end: str = "\n") -> None:
    """Print what others wrote: it holds no markup."""
    console.print(text, style=style, end=end, markup=False)


def stepped(step: Step) -> None:
    """Show a tool call."""
    show(f"\n{step.line()}", "cyan")


class Chat:
    """The conversation so far, and the tools that the model has in it."""

    def __init__(self, app: App, box: Toolbox, model: str) -> None:
        self._app, self._box, self._model = app, box, model
        self._history: list[dict[str, Any]] = []
        loaded = app.settings
        self._limits = Limits(
            steps=loaded.agent_max_steps,
            dollars=app.budget.limit(None),
            seconds=loaded.agent_max_seconds,
            result_chars=loaded.agent_result_chars,
            continuations=loaded.max_continuations,
        )
        self._transcript = RunLog(loaded.state_dir / "transcripts", days=loaded.thread_ttl_days)

    async def say(self, text: str) -> None:
        """One question, and all that the model does until it has answered."""
        asked = [*self._history, {"role": "user", "content": text}]
        system = f"{SYSTEM}\n\n{self._box.manual}"
        ask = CallerRequest(messages=asked, system=system, options={"tools": self._box.definitions})
        model = await self._app.catalogue.resolve(self._model)
        request = compose(ask, model, [], self._app.settings)
        watch = Watch(silent, self._grown, stepped, self._transcript)
        run = await Agent(request, self._box, self._pay, self._limits, watch).work()
        self._history = [*asked, *run.added]
        if run.error:
            show(f"\n{run.error.message}", "red")
        if run.receipt:
            show(f"\n{run.receipt.line()}", "green")

    async def _pay(self, request: ChatRequest, listener: Listener) -> Answer:
        self._shown, app = 0, self._app
        purchase = Purchase(app.settings, app.client, app.budget, "agent_chat", None, silent)
        return await pay(purchase, request, listener)

    def _grown(self, answer: Answer) -> None:
        show(answer.text[self._shown :], end="")
        self._shown = len(answer.text)


async def main(model: str) -> None:
    """Chat until `quit` or the end of the input."""
    loaded = settings.load()
    app, servers = App(loaded), McpServers(loaded)
    try:
        box = await open_toolbox(await servers.named([]), [], loaded.agent_allow, silent)
        show(f"{len(box.offered)} tools: {', '.join(box.offered)}", "dim")
        for note in box.notes():
            show(note, "yellow")
        chat = Chat(app, box, model)
        while (text := await asyncio.to_thread(console.input, "\n[bold]you>[/] ")) != "quit":
            try:
                if text.strip():
                    await chat.say(text)
            except OpenRouterError as error:
                show(error.message, "red")
    except EOFError:
        pass
    except OpenRouterError as error:
        show(error.message, "red")
    finally:
        await servers.aclose()
        await app.aclose()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else ""))
