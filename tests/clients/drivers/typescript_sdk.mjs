// @modelcontextprotocol/sdk, version 1.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import * as types from "@modelcontextprotocol/sdk/types.js";
import { report, server, walk } from "./steps.mjs";

const asks = types.ElicitRequestSchema !== undefined;
const client = new Client(
  { name: "driver", version: "1" },
  { capabilities: asks ? { elicitation: {} } : {} },
);
if (asks) {
  client.setRequestHandler(types.ElicitRequestSchema, async () => ({ action: "accept", content: {} }));
}
const [command, ...args] = server.command;
await client.connect(new StdioClientTransport({ command, args, env: server.env, stderr: "ignore" }));
report("connect", { text: client.getServerVersion().name });
report("list", { tools: (await client.listTools()).tools.map((tool) => tool.name) });
await walk((name, args, signal) =>
  client.callTool({ name, arguments: args }, undefined, { signal }),
);
await client.close();
