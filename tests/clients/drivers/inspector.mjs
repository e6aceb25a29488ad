// The Inspector's command line, which starts a server for every request.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { programs, report, server, walk } from "./steps.mjs";

const inspector = `${programs}/node_modules/.bin/mcp-inspector`;
const variables = Object.entries(server.env).flatMap(([name, value]) => ["-e", `${name}=${value}`]);

async function ask(method, options, signal) {
  const asked = ["--cli", ...server.command, ...variables, "--method", method, ...options];
  const { stdout } = await promisify(execFile)(
    inspector, [...asked, "--format", "json"], { signal, maxBuffer: 2 ** 26 },
  ).catch((error) => (error.stdout ? error : Promise.reject(error)));
  return JSON.parse(stdout).result;
}

const { tools } = await ask("tools/list", []);
report("connect", { text: "connected" });
report("list", { tools: tools.map((tool) => tool.name) });
await walk((name, args, signal) =>
  ask("tools/call", ["--tool-name", name, "--tool-args-json", JSON.stringify(args)], signal),
);
