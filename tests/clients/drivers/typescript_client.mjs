// @modelcontextprotocol/client, version 2 of the SDK.
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { report, server, walk } from "./steps.mjs";

const client = new Client(
  { name: "driver", version: "1" },
  { capabilities: { elicitation: {} } },
);
client.setRequestHandler("elicitation/create", async () => ({ action: "accept", content: {} }));
const [command, ...args] = server.command;
await client.connect(new StdioClientTransport({ command, args, env: server.env, stderr: "ignore" }));
report("connect", { text: client.getServerVersion().name });
report("list", { tools: (await client.listTools()).tools.map((tool) => tool.name) });
await walk((name, args, signal) => client.callTool({ name, arguments: args }, { signal }));
await client.close();
