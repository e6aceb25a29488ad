"""A scripted model on loopback, in the shapes of four vendors: it makes an agent call our tools."""

import json
import re
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]
JOB = re.compile(r"job_[a-z0-9]{6,}")
MOST_LOOKS = 8
"""How often the model looks for the answer of a job."""


class Model:
    """Calls the tools of the steps, one after the other, and keeps what it is shown of each."""

    def __init__(self, steps: Sequence[Json]) -> None:
        self._steps = steps
        self.tools: list[str] = []
        """The names of tools in the longest list that the agent has sent."""
        self.results: list[str] = []
        """What the agent has shown of each result, as text."""

    def next_call(self, tools: Json, results: list[str]) -> tuple[str, Json, str] | None:
        """Name, arguments and namespace of the next call; None when all is done."""
        if len(tools) > len(self.tools):
            self.tools = [*tools]
        if len(results) > len(self.results):
            self.results = results
        return next(self._calls(tools, results), None)

    def told(self) -> dict[str, str]:
        """The last result of each step."""
        return dict(self._walk(self.results))

    def _calls(self, tools: Json, results: list[str]) -> Iterator[tuple[str, Json, str]]:
        told = [*self._walk(results)]
        step = self._steps[len(told)] if len(told) < len(self._steps) else None
        wanted = (
            ("get_job", {"job_id": _job(told[-1][1])}) if told and _pending(told[-1][1]) else None
        )
        if wanted is None and step is not None:
            wanted = (step["tool"], step["args"])
        for name in tools:
            if wanted and re.search(rf"(^|[_./-]){wanted[0]}$", name):
                yield name, wanted[1], tools[name]

    def _walk(self, results: list[str]) -> Iterator[tuple[str, str]]:
        """Each step that has a result, with the last one: a job is looked for again."""
        left = iter(results)
        for step in self._steps:
            result = next(left, None)
            if result is None:
                return
            looks = 0
            while _pending(result) and looks < MOST_LOOKS:
                again = next(left, None)
                if again is None:
                    break
                result, looks = again, looks + 1
            yield step["step"], result


def _job(text: str) -> str:
    found = JOB.search(text)
    return found[0] if found else ""


def _pending(result: str) -> bool:
    """Whether a call became a job, which a busy computer can make of a quick one too."""
    return bool(_job(result)) and "get_job(" in result


def names_of(tools: Any, namespace: str = "") -> Json:
    """The names of all tools in a request, each with its namespace, in any vendor's shape."""
    found: Json = {}
    for tool in tools or []:
        inner = tool.get("function_declarations") or tool.get("functionDeclarations")
        if inner or isinstance(tool.get("tools"), list):
            found |= names_of(inner or tool["tools"], tool.get("name", ""))
        else:
            name = tool.get("name") or tool.get("function", {}).get("name")
            found |= {name: namespace} if name else {}
    return found


def text_of(content: Any) -> str:
    """What there is to read in a tool result, in any vendor's shape."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(map(text_of, content))
    if isinstance(content, dict):
        kind = content.get("type", "")
        if "image" in kind or "inlineData" in content:
            return "[image]"
        if "text" in content:
            return str(content["text"])
        return "\n".join(text_of(content[key]) for key in content if key != "type")
    return ""


# The vendors: where their requests hold tools and results, and the events of an answer.


def anthropic(model: Model, body: Json) -> Iterator[Json]:
    """Anthropic's Messages."""
    results = [
        text_of(block.get("content"))
        for message in body["messages"]
        if isinstance(message["content"], list)
        for block in message["content"]
        if block.get("type") == "tool_result"
    ]
    call = model.next_call(names_of(body.get("tools")), results)
    usage = {"input_tokens": 1, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"]}
    message |= {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    yield {"type": "message_start", "message": message}
    block: Json = {"type": "text", "text": ""}
    delta: Json = {"type": "text_delta", "text": "Done."}
    if call:
        name, arguments, _ = call
        block = {"type": "tool_use", "id": f"toolu_{len(results)}", "name": name, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(arguments)}
    yield {"type": "content_block_start", "index": 0, "content_block": block}
    yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    reason = {"stop_reason": "tool_use" if call else "end_turn", "stop_sequence": None}
    yield {"type": "message_delta", "delta": reason, "usage": usage}
    yield {"type": "message_stop"}


def completions(model: Model, body: Json) -> Iterator[Json]:
    """OpenAI's Chat Completions."""
    results = [text_of(each["content"]) for each in body["messages"] if each["role"] == "tool"]
    call = model.next_call(names_of(body.get("tools")), results)
    delta: Json = {"role": "assistant", "content": "Done."}
    if call:
        name, arguments, _ = call
        function = {"name": name, "arguments": json.dumps(arguments)}
        asked = {"index": 0, "id": f"call_{len(results)}", "type": "function", "function": function}
        delta = {"role": "assistant", "content": None, "tool_calls": [asked]}
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
    yield chunk | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    last = {"index": 0, "delta": {}, "finish_reason": "tool_calls" if call else "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    yield chunk | {"choices": [last], "usage": usage}


def responses(model: Model, body: Json) -> Iterator[Json]:
    """OpenAI's Responses."""
    outputs = [each for each in body["input"] if each.get("type") == "function_call_output"]
    results = [text_of(each["output"]) for each in outputs]
    call = model.next_call(names_of(body.get("tools")), results)
    said = [{"type": "output_text", "text": "Done.", "annotations": []}]
    item: Json = {"type": "message", "id": "msg_1", "role": "assistant", "content": said}
    if call:
        name, arguments, namespace = call
        item = {"type": "function_call", "id": f"fc_{len(results)}", "name": name}
        item |= {"call_id": f"call_{len(results)}", "arguments": json.dumps(arguments)}
        item |= {"namespace": namespace} if namespace else {}
    yield {"type": "response.created", "response": {"id": "resp_1"}}
    yield {"type": "response.output_item.added", "output_index": 0, "item": item}
    yield {"type": "response.output_item.done", "output_index": 0, "item": item}
    usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
    yield {"type": "response.completed", "response": {"id": "resp_1", "usage": usage}}


def gemini(model: Model, body: Json) -> Iterator[Json]:
    """Google's generateContent."""
    parts = [part for content in body["contents"] for part in content.get("parts", [])]
    results = [
        text_of(part["functionResponse"].get("response"))
        for part in parts
        if "functionResponse" in part
    ]
    call = model.next_call(names_of(body.get("tools")), results)
    part: Json = {"text": "Done."}
    if call:
        name, arguments, _ = call
        part = {"functionCall": {"name": name, "args": arguments}}
    answer = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}
    usage = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
    yield {"candidates": [answer], "usageMetadata": usage}


VENDORS = {
    "/messages": anthropic,
    "/chat/completions": completions,
    "/responses": responses,
    "GenerateContent": gemini,
    "generateContent": gemini,
}
"""How the path of a request ends, and who reads it."""


class _Handler(BaseHTTPRequestHandler):
    model: Model

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        path = self.path.partition("?")[0]
        vendor = next((VENDORS[end] for end in VENDORS if path.endswith(end)), None)
        if vendor is None:
            self._send("application/json", b'{"input_tokens": 1, "totalTokens": 1}')
            return
        events = [*vendor(self.model, body)]
        if vendor is gemini and "streamGenerateContent" not in path:
            self._send("application/json", json.dumps(events[0]).encode())
            return
        lines = [f"event: {event['type']}\n" if "type" in event else "" for event in events]
        stream = "".join(
            f"{line}data: {json.dumps(event)}\n\n"
            for line, event in zip(lines, events, strict=True)
        )
        ending = "data: [DONE]\n\n" if vendor is completions else ""
        self._send("text/event-stream", (stream + ending).encode())

    def do_GET(self) -> None:
        self._send("application/json", b'{"object": "list", "data": [], "models": []}')

    def _send(self, media_type: str, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""


def serve_model(model: Model) -> ThreadingHTTPServer:
    """A server of this model on loopback; `shutdown` ends it."""
    handler = type("Handler", (_Handler,), {"model": model})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
