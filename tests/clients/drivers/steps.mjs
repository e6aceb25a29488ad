// What every client does with the server. `call(name, arguments, signal)` is the client's own.

export const { programs, server, steps } = JSON.parse(process.argv[2]);

export function report(step, told) {
  process.stdout.write(JSON.stringify({ step, ...told }) + "\n");
}

function seen(result) {
  const content = result.content ?? [];
  return {
    text: content.map((block) => block.text ?? "").join("\n"),
    blocks: content.map((block) => block.type),
    failed: result.isError === true,
  };
}

export async function walk(call) {
  for (const { step, tool, args, abortAfter } of steps) {
    const abort = new AbortController();
    const timer = abortAfter && setTimeout(() => abort.abort(), abortAfter * 1000);
    try {
      let told = seen(await call(tool, args, abort.signal));
      for (let looks = 0; told.text.includes("get_job(") && looks < 8; looks++) {
        const [job] = told.text.match(/job_[a-z0-9]{6,}/);
        told = seen(await call("get_job", { job_id: job }, abort.signal));
      }
      report(step, told);
    } catch (error) {
      report(step, { raised: String(error) });
    }
    clearTimeout(timer);
  }
}
