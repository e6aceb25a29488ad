"""Draw a picture, have it described, spoken and written down: `python examples/media.py SUBJECT`.

Needs OPENROUTER_API_KEY. Only paths and words pass through here; files go to the output folder.
"""

import asyncio
import os
import sys

from fastmcp import Client
from fastmcp.client.transports import StdioTransport
from mcp.types import CallToolResult

MOST = 0.10
"""USD that each of the four calls may cost."""


async def main(subject: str) -> None:
    """Each step works on the file or the words that the step before it gave."""
    transport = StdioTransport(sys.executable, ["-m", "openrouter_mcp"], env=dict(os.environ))
    async with Client(transport) as client:

        async def step(tool: str, **arguments: object) -> CallToolResult:
            result = await client.call_tool(tool, {**arguments, "max_cost": MOST})
            sys.stdout.write(f"--- {tool}\n{said(result)}\n\n")
            return result

        drawn = await step("generate_image", prompt=subject, aspect_ratio="16:9")
        question = "Describe this picture in two sentences, for somebody who cannot see it."
        seen = await step("analyze_media", files=files(drawn), question=question)
        description = said(seen).rsplit("\n-- ", 1)[0].strip()
        spoken = await step("generate_audio", text=description, format="mp3")
        await step("transcribe_audio", file=files(spoken)[0], save_to="picture.srt")


def said(result: CallToolResult) -> str:
    """The words of a reply; the last line is the receipt."""
    return "\n".join(getattr(block, "text", "") for block in result.content).strip()


def files(result: CallToolResult) -> list[str]:
    """The files that a reply links to; a `file://` address is as good as a path."""
    return [block.uri for block in result.content if block.type == "resource_link"]


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or "A lighthouse at dusk, seen from the sea"))
