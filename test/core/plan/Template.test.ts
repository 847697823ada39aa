/** Placeholders of a report: the values that they get, and that nothing else is touched. */
import { describe, expect, it } from "vitest"
import * as CacheKey from "../../../cache/identity/CacheKey.ts"
import * as Digest from "../../../cache/identity/Digest.ts"
import type { StepResult } from "../../../cache/store/ResultStore.ts"
import type { AnyStep } from "../../../core/pipeline/Step.ts"
import * as Template from "../../../core/plan/Template.ts"

const key = Digest.ofText("key")
const result = (step: string, provenance: Partial<StepResult["provenance"]> = {}): StepResult => ({
  format: "Result/v1",
  key,
  step,
  ingredients: {
    stage: step,
    code: { modules: {}, packages: {} },
    params: { rate: 0.5, name: "<b>&", layers: [1, 2] },
    inputs: {},
    toolchain: { engine: { threads: 2 } },
    runtime: CacheKey.runtime
  },
  outputs: {},
  provenance: {
    runId: "run-1",
    startedAt: "2026-01-02T03:04:05.678Z",
    durationMs: 1234,
    host: "secret-host",
    opPipe: "9.9.9",
    node: "22.0.0",
    commit: "a".repeat(40),
    dirty: true,
    ...provenance
  }
})

const source = { _tag: "Source", name: "images" }
const upstream = { _tag: "Step", id: "train@bn", inputs: {} }
const gone = { _tag: "Step", id: "gone", inputs: {} }
const reporting = {
  _tag: "Step",
  id: "compare",
  inputs: { bn: { owner: upstream }, gone: { owner: gone }, images: { owner: source } }
} as unknown as AnyStep
const context: Template.ReportContext = {
  profile: "quick",
  seed: 17,
  results: new Map([
    ["compare", result("compare", { commit: null, dirty: null, cores: 1 })],
    ["train@bn", result("train@bn")]
  ])
}
const rendering = (text: string): string => Template.renderText(Buffer.from(text), reporting, context).toString()
const rendered = (place: string): string => rendering(`(<!--op-pipe ${place}-->)`).slice(1, -1)

describe("a place", () => {
  it.each([
    ["run profile", "quick"],
    ["run seed", "17"],
    ["bn walls", "without a sandbox"],
    ["bn cores", "–"],
    ["self cores", "1 core"],
    ["self step", "compare"],
    ["bn step", "train@bn"],
    ["bn key", key.slice(0, 12)],
    ["bn commit", "aaaaaaaaaaaa with changes"],
    ["self commit", "not in a git repository"],
    ["bn versions", "op-pipe 9.9.9, Node.js 22.0.0"],
    ["bn params.rate", "0.5"],
    ["bn params.layers", "[1,2]"],
    ["bn toolchain.engine.threads", "2"]
  ])("%s", (place, value) => {
    expect(rendered(place)).toBe(value)
  })

  it("is escaped", () => {
    expect(rendered("bn params.name")).toBe("&#60;b&#62;&#38;")
  })

  it.each([
    "bn nothing",
    "bn startedAt",
    "bn durationMs",
    "bn params.nothing",
    "bn host",
    "bn constructor",
    "gone key",
    "images key",
    "nobody key",
    "run id"
  ])("%s is not known: a dash", (place) => {
    expect(rendered(place)).toBe("–")
  })
})

describe("what is no place", () => {
  it.each(["<!-- op-pipe bn key -->", "&lt;!--op-pipe bn key--&gt;", "<!--op-pipe bn-->", "$1 $& \\u0000"])(
    "%s",
    (text) => {
      expect(rendering(text)).toBe(text)
    }
  )

  it("keeps its bytes, be they no UTF-8", () => {
    const around = Buffer.from([0xff, 0x00, 0xc3, 0x28, 0xe2, 0x80])
    const text = Buffer.concat([around, Buffer.from("é<!--op-pipe nobody key-->ж"), around])
    const expected = Buffer.concat([around, Buffer.from("é–ж"), around])
    expect(Template.renderText(text, reporting, context)).toEqual(expected)
  })
})
