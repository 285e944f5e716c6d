// Runs inside the page: loads the model with onnxruntime-web, computes logits, times inferences.

export async function run(job) {
  if (!globalThis.crossOriginIsolated) {
    throw new Error("the page is not cross-origin isolated: no threads, no fine clock");
  }
  const ort = await import("/ort.wasm.min.mjs");
  ort.env.wasm.numThreads = job.threads;
  ort.env.wasm.wasmPaths = "/";
  const [model, inputs] = await Promise.all(["/model", "/inputs"].map(fetchBuffer));
  const size = job.shape.reduce((product, side) => product * side, 1);
  const values = new Float32Array(inputs);
  const images = Array.from({ length: values.length / size }, (_, index) =>
    new ort.Tensor("float32", values.slice(index * size, (index + 1) * size), job.shape));

  const began = performance.now();
  const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
  const loaded = performance.now();
  const name = session.inputNames[0];
  const infer = async (image) => (await session.run({ [name]: image }))[session.outputNames[0]].data;

  const logits = [...(await infer(images[0]))];
  const first = performance.now();
  for (const image of images.slice(1)) {
    logits.push(...(await infer(image)));
  }
  for (let index = 0; index < job.warmups; index += 1) {
    await infer(images[index % images.length]);
  }
  const samples = [];
  let total = 0;
  while ((samples.length < job.minRuns || total < 1000 * job.minSeconds) && total < 1000 * job.maxSeconds) {
    const start = performance.now();
    await infer(images[samples.length % images.length]);
    samples.push(performance.now() - start);
    total += samples.at(-1);
  }
  return {
    logits,
    runtime_version: ort.env.versions.web,
    threads: job.threads,
    load_ms: loaded - began,
    first_ms: first - loaded,
    samples_ms: samples,
    peak_memory_bytes: null,
    peak_memory_reason: "a page cannot read the memory of its process",
    cores: null,
  };
}

async function fetchBuffer(path) {
  const response = await fetch(path);
  if (!response.ok) {
    throw new Error(`${path}: HTTP ${response.status} ${await response.text()}`);
  }
  return response.arrayBuffer();
}
