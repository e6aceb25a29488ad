"""A small MCP server for the tests, run as a process; its argument says how it misbehaves.

Written against the specification (2025-06-18) and not with FastMCP, which takes a second to load.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

FORM = {"type": "object", "properties": {"name": {"type": "string"}}}
TOOLS = {"environment": True, "process_id": True, "die": True, "flood": True, "sleep": True}
TOOLS |= {
    "crowd": True,
    "commas": True,
    "nag": True,
    "parent": True,
    "half": True,
    "nested": True,
    "research": True,
    "ask": True,
    "sample": True,
    "write": False,
    "read": True,
}


ODD_TOOLS = [
    None,
    "tool",
    {"name": None},
    {"name": ""},
    {"name": "untyped", "inputSchema": {"properties": {"path": {"type": "string"}}}},
    {"name": "null", "inputSchema": None},
    {"name": "absent"},
    {"name": "nulls", "inputSchema": {"type": "object", "properties": None, "required": None}},
    {"name": "property", "inputSchema": {"type": "object", "properties": {"a": None, "b": "x"}}},
    {"name": "union", "inputSchema": {"type": ["object", "null"]}},
    {"name": "listed", "inputSchema": []},
    {"name": "said", "inputSchema": {"type": "string"}},
    {"name": "words", "description": 7, "title": [], "annotations": {"readOnlyHint": "true"}},
    {"name": "hints", "annotations": [], "outputSchema": "x", "execution": 1, "icons": 3},
    {"name": "absent", "description": "again"},
]
"""A list of tools as no specification has it."""
ODD = {"odd", "null cursor", "single", "loop", "endless"}


def send(**message) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def listed(name: str, reads: bool) -> dict:
    schema = {"type": "object", "properties": {"path": {"type": "string"}}}
    if name in {"read", "write"}:
        schema["required"] = ["path"]
    tool = {"name": name, "inputSchema": schema, "annotations": {"readOnlyHint": reads}}
    return tool | ({"execution": {"taskSupport": "required"}} if name == "research" else {})


def asked(method: str, **params) -> str:
    """What the client answers to a question of ours."""
    send(id="question", method=method, params=params)
    for line in sys.stdin:
        answer = json.loads(line)
        if answer.get("id") == "question":
            return json.dumps(answer.get("error") or answer["result"])
    return ""


def called(name: str, path: str = "") -> str:
    match name:
        case "environment":
            return "\n".join(f"{variable}={value}" for variable, value in os.environ.items())
        case "process_id":
            return str(os.getpid())
        case "die":
            sys.stderr.write("starting\nout of cheese\n")
            sys.stderr.flush()
            os._exit(3)
        case "parent":
            # It outlives us if nobody ends it: it does not read what we read.
            program = [sys.executable, "-c", "import time; time.sleep(600)"]
            return str(subprocess.Popen(program).pid)
        case "half":
            return "cut \ud83d"
        case "nested":
            sys.stdout.write('{"x":' * 100_000 + "\n")
        case "crowd":
            send(crowd=[[]] * 5_000)
        case "commas":
            return "[,{" * 5_000
        case "nag":
            for number in range(50):
                send(id=f"nag {number}", method="ping")
        case "flood":
            return "x" * 2_000_000
        case "ask":
            return asked("elicitation/create", message="Name?", requestedSchema=FORM)
        case "sample":
            return asked("sampling/createMessage", messages=[], maxTokens=1)
        case "write":
            Path(path).write_text("written")
            return "written"
        case "read":
            return Path(path).read_text()
    return ""


def answer_oddly(kind: str, method: str, params: dict) -> dict | None:
    """Lists in endless pages, with odd tools; a result is what the call has as its argument."""
    match kind, method:
        case "odd" | "null cursor", "tools/list":
            return {"tools": ODD_TOOLS, "nextCursor": None if kind == "null cursor" else 7}
        case "single", "tools/list":
            return {"tools": {"name": "only"}}
        case "loop" | "endless", "tools/list":
            page = int(params.get("cursor", 0)) + 1
            names = [f"page{page % 2 if kind == 'loop' else min(page, 3)}"]
            return {"tools": [listed(name, reads=True) for name in names], "nextCursor": str(page)}
        case _, "tools/call" if kind:
            return json.loads(params["arguments"]["result"])
    return answer(method, params)


def answer(method: str, params: dict) -> dict | None:
    match method:
        case "initialize":
            info = {"name": "peer", "version": "1"}
            version = params["protocolVersion"]
            return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
        case "tools/list":
            return {"tools": [listed(name, reads) for name, reads in TOOLS.items()]}
        case "tools/call" if params["name"] == "research":
            if "task" not in params:
                return None
            then = "2026-01-01T00:00:00Z"
            task = {"taskId": "t1", "status": "working", "ttl": None}
            return {"task": {**task, "createdAt": then, "lastUpdatedAt": then}}
        case "tasks/result":
            return {"content": [{"type": "text", "text": f"found for {params['taskId']}"}]}
        case "tools/call":
            try:
                said, failed = called(params["name"], **params.get("arguments") or {}), False
            except OSError as error:
                said, failed = str(error), True
            return {"content": [{"type": "text", "text": said}], "isError": failed}
    return None


def main(kind: str) -> None:
    if kind == "hang":
        time.sleep(600)
    if kind == "crash":
        sys.exit("no token is set")
    if kind == "npm":
        sys.exit("npm warn x\nnpm error code E404\nnpm error 404 Not Found\nnpm error A log: /y")
    if kind == "garbage":
        sys.stdout.write("Welcome!\n{not json}\n" * 500)
    while kind == "endless line":
        sys.stdout.write("x" * 1_000_000)
    for line in sys.stdin:
        request = json.loads(line)
        if "id" not in request or "method" not in request:
            continue
        if request.get("params", {}).get("name") == "sleep":
            continue
        oddly = kind if kind in ODD else ""
        result = answer_oddly(oddly, request["method"], request.get("params") or {})
        if result is None:
            send(id=request["id"], error={"code": -32601, "message": "Method not found"})
        else:
            send(id=request["id"], result=result)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
