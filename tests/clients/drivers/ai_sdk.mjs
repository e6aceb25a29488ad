// @ai-sdk/mcp, the client of Vercel's AI SDK.
import { createMCPClient, ElicitationRequestSchema } from "@ai-sdk/mcp";
import { Experimental_StdioMCPTransport as StdioMCPTransport } from "@ai-sdk/mcp/mcp-stdio";
import { report, server, walk } from "./steps.mjs";

const [command, ...args] = server.command;
const client = await createMCPClient({
  transport: new StdioMCPTransport({ command, args, env: server.env, stderr: "ignore" }),
  capabilities: { elicitation: {} },
});
client.onElicitationRequest(ElicitationRequestSchema, async () => ({ action: "accept", content: {} }));
report("connect", { text: "connected" });
const tools = await client.tools();
report("list", { tools: Object.keys(tools) });
await walk((name, args, abortSignal) =>
  tools[name].execute(args, { toolCallId: name, messages: [], abortSignal }),
);
await client.close();
