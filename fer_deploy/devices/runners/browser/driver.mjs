// Runs one ONNX model in headless Chromium: node driver.mjs --modules FOLDER --chromium PROGRAM and the same
// arguments as onnx_runner.py. Serves runtime, model and inputs on 127.0.0.1 with the headers that give the
// page threads and a fine clock (COOP and COEP), and writes the same logits and JSON. Exit codes: 0 done,
// 2 bad arguments or files, 3 the browser or the runtime failed.

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";

const names = ["modules", "chromium", "model", "inputs", "shape", "logits", "result", "threads",
  "warmups", "min-runs", "min-seconds", "max-seconds"];
const { values } = parseArgs({ options: Object.fromEntries(names.map((name) => [name, { type: "string" }])) });
for (const name of names) {
  if (values[name] === undefined) {
    console.error(`--${name} is missing`);
    process.exit(2);
  }
}

const runtime = join(values.modules, "node_modules", "onnxruntime-web", "dist");
const types = { ".html": "text/html", ".mjs": "text/javascript", ".wasm": "application/wasm" };
// Only these files are served; nothing of a request's path reaches the file system.
const served = new Map([
  ["/", { type: ".html", body: "<!doctype html><title>fer-deploy</title>" }],
  ["/model", { file: values.model }],
  ["/inputs", { file: values.inputs }],
  ["/page.mjs", { file: new URL("page.mjs", import.meta.url).pathname }],
  ...["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"].map((name) => [
    `/${name}`, { file: join(runtime, name) }]),
]);

const server = createServer(async (request, response) => {
  const entry = served.get(request.url.split("?")[0]);
  if (entry === undefined) {
    response.writeHead(404).end();
    return;
  }
  try {
    const body = entry.body ?? (await readFile(entry.file));
    const ending = entry.type ?? /\.[a-z]+$/.exec(request.url)?.[0];
    response.writeHead(200, {
      "Content-Type": types[ending] ?? "application/octet-stream",
      "Cross-Origin-Opener-Policy": "same-origin",
      "Cross-Origin-Embedder-Policy": "require-corp",
    }).end(body);
  } catch (error) {
    response.writeHead(500).end(String(error));
  }
});

async function writeWhole(path, data) {
  await writeFile(`${path}.partial`, data);
  await rename(`${path}.partial`, path);
}

let browser;
try {
  const { chromium } = createRequire(join(values.modules, "package.json"))("playwright-core");
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  browser = await chromium.launch({
    executablePath: values.chromium,
    // Chromium refuses its sandbox to root, as in containers; the page is our own.
    chromiumSandbox: process.getuid?.() !== 0,
  });
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  const answer = await page.evaluate(async (job) => (await import("/page.mjs")).run(job), {
    shape: values.shape.split(",").map(Number),
    threads: Number(values.threads),
    warmups: Number(values.warmups),
    minRuns: Number(values["min-runs"]),
    minSeconds: Number(values["min-seconds"]),
    maxSeconds: Number(values["max-seconds"]),
  });
  await writeWhole(values.logits, Buffer.from(Float32Array.from(answer.logits).buffer));
  delete answer.logits;
  answer.runtime_version += ` in Chromium ${browser.version()}`;
  await writeWhole(values.result, JSON.stringify(answer));
} catch (error) {
  console.error(String(error.message ?? error).split("\n")[0]);
  process.exitCode = 3;
} finally {
  await browser?.close();
  server.close();
}
