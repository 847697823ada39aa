/** losses on small images: two trainings by the native engine, and what their comparison writes. */
import { readFileSync } from "node:fs"
import * as path from "node:path"
import { NodeServices } from "@effect/platform-node"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import sharp from "sharp"
import { beforeAll, expect, it } from "vitest"
import { defaultEngineParams, identify } from "../../engine/index.ts"
import { Losses } from "../../schemas/Losses.ts"
import { augment } from "../../stages/augment.ts"
import * as Random from "../../stages/lib/Random.ts"
import { losses } from "../../stages/losses.ts"
import { split } from "../../stages/split.ts"
import { train } from "../../stages/train.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"
import { runStage } from "./lib/runStage.ts"
import { browser, onPage, readers, violations } from "./lib/violations.ts"

const folder = temporaryFolder()
const at = (...names: ReadonlyArray<string>): string => path.join(folder, ...names)
const toolchainDir = path.resolve("node_modules/.cache/op-pipe-engine")
// builds the addon while the file is imported, and so under no test's time limit
const engine = await Effect.runPromise(
  identify({ ...defaultEngineParams, name: "native" }, { cores: 2, cacheDir: toolchainDir, notify: () => {} })
)

const run = (stage: Parameters<typeof runStage>[0], options: Parameters<typeof runStage>[1]) =>
  Effect.runPromise(
    runStage(stage, { toolchain: { engine }, toolchainDir, ...options }).pipe(Effect.provide(NodeServices.layer))
  )

let inputs: Record<string, string> = {}

beforeAll(async () => {
  for (const [k, name] of ["dark", "bright"].entries()) {
    for (let i = 0; i < 20; i++) {
      const random = Random.make(3, name, i)
      const small = Uint8Array.from({ length: 6 * 6 * 3 }, () => k * 100 + random.int(120))
      const image = sharp(small, { raw: { width: 6, height: 6, channels: 3 } })
      writeFiles(at("images"), { [path.join(name, `${i}.png`)]: await image.resize(24, 24).png().toBuffer() })
    }
  }
  const images = at("images")
  const { manifest } = await run(split, { inputs: { images }, to: at("split") })
  const params = { size: 24, trainSize: 0, copies: 1 }
  const packed = await run(augment, { params, inputs: { images, manifest: manifest! }, to: at("augment") })
  const common = { index: packed["index"]!, shards: packed["shards"]! }
  const trained = async (loss: string, seed: number) => {
    const params = { epochs: 3, batchSize: 8, schedule: "constant", normalization: "batch", loss, seed }
    return run(train, { params, inputs: common, to: at(`${loss} ${seed}`) })
  }
  inputs = { ...common, manifest: manifest! }
  for (const loss of ["crossEntropy", "sparsemax"]) {
    const [first, second] = [await trained(loss, 0), await trained(loss, 1)]
    inputs = {
      ...inputs,
      [loss]: first["history"]!,
      [`${loss}Network`]: first["network"]!,
      [`${loss}Weights`]: first["weights"]!,
      [`${loss}NetworkReplicas[2]`]: second["network"]!,
      [`${loss}WeightsReplicas[2]`]: second["weights"]!
    }
  }
})

it("compares both trainings over seeds, and writes a page that needs nothing else", async () => {
  const out = await run(losses, { params: { bootstrap: 200 }, inputs, to: at("losses") })
  const found = Schema.decodeUnknownSync(Schema.fromJsonString(Losses))(readFileSync(out["losses"]!, "utf8"))
  expect(found.seeds).toBe(2)
  expect(found.readings.map(({ loss, activation }) => [loss, activation])).toEqual([
    ["crossEntropy", "softmax"],
    ["crossEntropy", "sparsemax"],
    ["sparsemax", "softmax"],
    ["sparsemax", "sparsemax"]
  ])
  // dark and bright are told apart after one epoch
  for (const { bySeed } of found.readings) {
    expect(bySeed).toHaveLength(2)
    for (const { scores } of bySeed) expect(scores.accuracy).toBeGreaterThan(0.6)
  }
  const page = readFileSync(out["report"]!, "utf8")
  expect(page).toContain("on the mean of 2 seeds")
  expect(page).toContain("from each of 2 seeds")
  expect(page).not.toMatch(/\bNaN\b|\bundefined\b|\[object |(src|href)="(https?:)?\/\//)
})

it.skipIf(browser === undefined)(
  "writes a page without a violation of axe's rules, on a phone and in the dark",
  async () => {
    const out = await run(losses, { params: { bootstrap: 100 }, inputs, to: at("page") })
    writeFiles(folder, {
      "page.html": readFileSync(out["report"]!, "utf8").replaceAll(/<!--op-pipe (\w+) ([\w.]+)-->/g, "$1 $2")
    })
    for (const { width, colorScheme } of readers) {
      await onPage({ viewport: { width, height: 900 }, colorScheme }, async (page) => {
        await page.goto(`file://${at("page.html")}`)
        expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(width)
        expect(await violations(page)).toEqual([])
      })
    }
  }
)

it("refuses two trainings by one loss, and says what to leave out", async () => {
  const same = { ...inputs, sparsemax: inputs["crossEntropy"]! }
  await expect(run(losses, { inputs: same, to: at("same") })).rejects.toThrow(
    /Both networks were trained by the same loss/
  )
})
