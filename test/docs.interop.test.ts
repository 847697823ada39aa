/** Every block of docs/interop.md, run as it stands beside outputs of a small network; skipped where what it imports is not installed. */
import { execFile, execFileSync } from "node:child_process"
import { existsSync, readFileSync, symlinkSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import * as path from "node:path"
import { promisify } from "node:util"
import { NodeServices } from "@effect/platform-node"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { chromium } from "playwright-core"
import { beforeAll, describe, expect, it } from "vitest"
import { defaultEngineParams, identify, open } from "../engine/index.ts"
import { activations } from "../schemas/activations/Activations.ts"
import type { TrainedNetwork } from "../schemas/Train.ts"
import * as LayersModel from "../stages/lib/network/LayersModel.ts"
import * as Network from "../stages/lib/network/Network.ts"
import * as Trainer from "../stages/lib/network/Trainer.ts"
import * as Random from "../stages/lib/Random.ts"
import * as LogitsTable from "../stages/lib/tables/LogitsTable.ts"
import * as Safetensors from "../stages/lib/tables/Safetensors.ts"
import { repository } from "./lib/cli.ts"
import { temporaryFolder, writeFiles } from "./lib/temporary.ts"
import { falling, history } from "./stages/lib/histories.ts"

const root = temporaryFolder()
const document = readFileSync(path.join(repository, "docs/interop.md"), "utf8")
const blocks = Array.from(document.matchAll(/```(\w+)\n([\s\S]*?)```/g), ([, language, code]) => ({
  language: language!,
  code: code!
}))
const python = process.env["PYTHON"] ?? "/usr/bin/python3"

const classes = ["a", "b", "<c>"]
const size = 30
/** Of 512 sums in float32 in another order. */
const epsilon = 1e-4
const random = Random.make(7, "pixels")
const count = 4
const pixels = Uint8Array.from({ length: count * size * size * 3 }, () => random.int(256))
let logits = new Float32Array(0)

/** A network that has been trained a little, so that its running statistics are not those of the beginning. */
const trained = Effect.gen(function* () {
  const cacheDir = path.join(root, "engine")
  const identity = yield* identify({ ...defaultEngineParams, name: "cpu" }, { cores: 1, cacheDir, notify: () => {} })
  const engine = yield* open(identity, { cacheDir, threads: 2 })
  const spec = Network.preset("seed", { batchNorm: true })
  const normalization = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }
  const optimizer = { kind: "sgd", learningRate: 0.01, weightDecay: 0, momentum: 0 } as const
  const shape = { size, channels: 3, classes: classes.length }
  const trainer = yield* Trainer.make(engine, {
    spec,
    ...shape,
    ...normalization,
    seed: 1,
    optimizer,
    batchSize: count
  })
  const labels = Int32Array.of(0, 1, 2, 0)
  for (let i = 0; i < 3; i++) yield* trainer.step({ pixels, labels }, { learningRate: 0.01, epoch: 1, batchIndex: i })
  const { rows, totalParameters } = Result.getOrThrow(Network.layerTable(spec, shape))
  const preparation = { size, fit: "fill", leastCrop: 1 } as const
  const network: TrainedNetwork = { spec, size, preparation, classes, ...normalization, table: rows, totalParameters }
  return { network, weights: yield* trainer.saveWeights(), logits: yield* trainer.predict(pixels, count) }
}).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

beforeAll(async () => {
  const { network, weights, logits: said } = await Effect.runPromise(trained)
  logits = Float32Array.from(said)
  const model = Result.getOrThrow(LayersModel.make(network, weights, "op-pipe"))
  const norm = (_: string, epoch: number): number => 1 / epoch
  const told = history(
    { epochs: 3, trainLoss: falling, validationLoss: falling, norm, validationAccuracy: (e) => e / 10 },
    classes
  )
  writeFiles(root, {
    "package.json": `{"type":"module"}`,
    "outputs/train@bn/network.json": JSON.stringify(network),
    "outputs/train@bn/history.json": JSON.stringify(told),
    "outputs/train@bn/model.safetensors": Safetensors.encode(weights),
    "outputs/logits/logits.arrow": LogitsTable.encode({
      classes,
      paths: ["a/1", "b/1", "b/2"],
      labels: Int32Array.of(0, 1, 1),
      splits: ["train", "test", "test"],
      bn: Float32Array.of(1, 0, 0, 0, 1, 0, 5, 1, 0),
      nobn: new Float32Array(9)
    }),
    "web-model/model.json": model.modelJson,
    "web-model/weights.bin": model.weights,
    "pixels.bin": pixels
  })
  symlinkSync(path.join(repository, "node_modules"), path.join(root, "node_modules"))
})

const hasPython = (modules: ReadonlyArray<string>): boolean => {
  try {
    execFileSync(python, ["-c", `import ${modules.join(",")}`], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}

const importsOf = (code: string): ReadonlyArray<string> =>
  Array.from(code.matchAll(/^(?:import|from) ([\w., ]+?)(?: import .*)?$/gm), (match) => match[1]!).flatMap((names) =>
    names.split(",").map((name) => name.trim().split(".")[0]!)
  )

/** What a block prints, with `more` run after it. */
const run = async (command: string, file: string, code: string, more = ""): Promise<string> => {
  writeFiles(root, { [file]: `${code}\n${more}` })
  const { stdout } = await promisify(execFile)(command, [path.join(root, file)], { cwd: root, maxBuffer: 2 ** 26 })
  return stdout
}

const block = (language: string, part: string): string => {
  const found = blocks.filter((each) => each.language === language && each.code.includes(part))
  expect(found.map((each) => each.code)).toHaveLength(1)
  return found[0]!.code
}

const expectClose = (said: ReadonlyArray<number>, expected: ArrayLike<number>): void => {
  expect(said).toHaveLength(expected.length)
  for (const [i, value] of said.entries()) expect(Math.abs(value - expected[i]!), `value ${i}`).toBeLessThan(epsilon)
}

describe("in Python", () => {
  it("every block is run below", () => {
    const known = ["read_safetensors", "csv.writer", "duckdb.sql", "pyarrow.memory_map"]
    const of = blocks.filter(({ language }) => language === "python").map(({ code }) => code)
    expect(of).toHaveLength(known.length)
    for (const part of known) block("python", part)
  })

  it.skipIf(!hasPython(["torch"]))("PyTorch gives the logits that op-pipe gives (needs torch)", async () => {
    const more = `
pixels = torch.frombuffer(bytearray(open("pixels.bin", "rb").read()), dtype=torch.uint8).reshape(-1, ${size}, ${size}, 3)
print(json.dumps(logits(pixels).flatten().tolist()))`
    const lines = (await run(python, "torch.py.txt", block("python", "read_safetensors"), more)).trim().split("\n")
    expect(lines[0]).toBe("torch.Size([1, 3])")
    expectClose(JSON.parse(lines[1]!) as Array<number>, logits)
  })

  it.skipIf(!hasPython(["json"]))("a history becomes a table (needs python3)", async () => {
    const lines = (await run(python, "history.py", block("python", "csv.writer"))).trim().split(/\r?\n/)
    expect(lines[0]).toMatch(/^epoch,trainLoss,validationLoss,validationAccuracy,conv1,/)
    expect(lines).toHaveLength(4)
    expect(lines[2]).toMatch(/^2,/)
  })

  it.skipIf(!hasPython(["duckdb"]))("a history is asked in SQL (needs duckdb)", async () => {
    expect(await run(python, "sql.py", block("python", "duckdb.sql"))).toContain("conv1")
  })

  it.skipIf(!hasPython(["pyarrow", "numpy"]))("logits are scored (needs pyarrow)", async () => {
    const said = await run(python, "arrow.py", block("python", "pyarrow.memory_map"))
    expect(said).toContain("3 classes, test accuracy with BN 0.5")
  })

  it("imports nothing but what the text names", () => {
    const imported = blocks.filter(({ language }) => language === "python").flatMap(({ code }) => importsOf(code))
    const standard = ["collections", "json", "math", "struct", "csv", "sys"]
    expect(new Set(imported.filter((name) => !standard.includes(name)))).toEqual(
      new Set(["torch", "duckdb", "numpy", "pyarrow"])
    )
  })
})

describe("in Node.js", () => {
  it("another reader of Arrow files scores the logits", async () => {
    const said = await run(process.execPath, "arrow.mjs", block("js", "flechette"))
    expect(said.trim()).toBe("test accuracy with BN 0.5")
  })

  it("TensorFlow.js gives the logits that op-pipe gives", async () => {
    const more = `
const given = tf.tensor4d(Float32Array.from(readFileSync("pixels.bin")), [${count}, size, size, 3])
console.log(JSON.stringify(Array.from(await model.predict(given).data())))`
    const said = await run(process.execPath, "tfjs.mjs", block("js", "loadLayersModel"), more)
    const lines = said.trim().split("\n")
    expect(lines.filter((line) => /^(a|b|<c>) \d\.\d{3}$/.test(line))).toHaveLength(3)
    expectClose(JSON.parse(lines.at(-1)!) as Array<number>, logits)
  })
})

const browser = "/usr/bin/chromium"

describe.skipIf(!existsSync(browser))("in a browser", () => {
  it("the page loads the model and says what it thinks of the canvas", async () => {
    writeFiles(root, { "index.html": block("html", "tf.loadLayersModel") })
    const server = createServer((request, response) => {
      const file = path.join(root, request.url === "/" ? "index.html" : decodeURIComponent(request.url ?? ""))
      if (!existsSync(file)) return void response.writeHead(404).end()
      if (file.endsWith(".html")) response.setHeader("content-type", "text/html")
      response.end(readFileSync(file))
    }).listen(0, "127.0.0.1")
    const running = await chromium.launch({ executablePath: browser, args: ["--no-sandbox"] })
    try {
      const page = await running.newPage()
      const errors: Array<string> = []
      page.on("pageerror", (error) => errors.push(String(error)))
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
      const said = page.locator("#said")
      await said
        .filter({ hasText: "<c>" })
        .waitFor({ timeout: 20_000 })
        .catch(() => expect(errors).toEqual([]))
      expect(errors).toEqual([])
      const shown = ((await said.textContent()) ?? "").split("\n").map((line) => Number(line.split(" ")[1]))
      expect(shown.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 2)
      // an empty canvas is black
      const black = await page.evaluate(
        "tf.loadLayersModel('web-model/model.json').then((m) => m.predict(tf.zeros([1, 30, 30, 3])).data()).then((d) => Array.from(d))"
      )
      const expected = activations.softmax.apply(black as Array<number>)
      for (const [k, value] of shown.entries()) expect(Math.abs(value - expected[k]!)).toBeLessThan(1e-3)
    } finally {
      await running.close()
      server.close()
    }
  })
})
