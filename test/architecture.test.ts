/** The house rules (test/lib/house.ts), held; and themselves tried on samples that break them. */
import { readdirSync, readFileSync } from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import { repository } from "./lib/cli.ts"
import { circles, problems, type Sources } from "./lib/house.ts"

const readSources = (): Sources => {
  const folders = ["bin", "cache", "core", "schemas", "engine", "charts", "demo", "stages", "commands", "cli"]
  const files = folders.flatMap((folder) =>
    readdirSync(path.join(repository, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => /(?<!\.d)\.([cm]?ts|[cm]js)$/.test(name))
      .map((name) => `${folder}/${name}`)
  )
  return Object.fromEntries(
    [...files, "pipeline.ts"].map((file) => [file, readFileSync(path.join(repository, file), "utf8")])
  )
}

describe("the house", () => {
  it("keeps its rules", () => {
    const sources = readSources()
    expect(Object.keys(sources).length).toBeGreaterThan(40)
    expect(problems(sources)).toEqual([])
  })
})

const header = "/** A file. */\n"
const longFunction = `export const f = () => {\n${"  g()\n".repeat(60)}}\n`

describe("the rules notice", () => {
  it.each<[string, Sources, string]>([
    [
      "an import against the grain",
      { "core/plan/A.ts": `${header}import { b } from "../../cli/B.ts"` },
      "core/plan may not import cli"
    ],
    [
      "a plan that knows runs",
      { "core/plan/A.ts": `${header}import type { B } from "../run/B.ts"` },
      "core/plan may not import core/run"
    ],
    [
      "an executor that knows plans",
      { "core/executor/A.ts": `${header}import type { B } from "../plan/B.ts"` },
      "core/executor may not import core/plan"
    ],
    [
      "a start that knows the framework",
      { "core/start/a.cjs": `${header}const { b } = require("../run/b.cjs")` },
      "core/start may not import core/run"
    ],
    [
      "a stage that knows the framework's inside",
      { "stages/a.ts": `${header}import { b } from "../core/pipeline/Step.ts"` },
      "stages may not import core/pipeline"
    ],
    [
      "the cache knowing the framework",
      { "cache/store/A.ts": `${header}import "../../core/index.ts"` },
      "may not import core"
    ],
    [
      "identity reading the disk",
      { "cache/identity/A.ts": `${header}import type { Disk } from "../store/Disk.ts"` },
      "may not import cache/store"
    ],
    [
      "a lazy import",
      { "core/run/A.ts": `${header}const f = () => import("../../engine/index.ts")` },
      "core/run may not import engine"
    ],
    [
      "one stage importing another",
      { "stages/a.ts": `${header}import { b } from "./b.ts"` },
      "do not import each other"
    ],
    [
      "tfjs outside its rooms",
      { "stages/a.ts": `${header}import "@tensorflow/tfjs-core"` },
      "only engine and stages/lib"
    ],
    ["the clock in a stage", { "stages/a.ts": `${header}const now = Date.now()` }, "the clock"],
    ["chance in a stage", { "stages/lib/images/A.ts": `${header}const x = Math.random()` }, "Math.random"],
    ["the environment in a stage", { "stages/a.ts": `${header}const x = process.env["X"]` }, "process.env"],
    ["node in a stage", { "stages/a.ts": `${header}import { readFileSync } from "node:fs"` }, "node:*"],
    ["a stage known by name", { "core/run/A.ts": `${header}const train = "stages/train.ts"` }, "knows a stage"],
    [
      "the framework's inside, from outside",
      { "commands/A.ts": `${header}import { a } from "../cli/Session.ts"` },
      "public face alone"
    ],
    ["a file without a header", { "core/run/A.ts": "const a = 1" }, "does not begin"],
    ["a file too long", { "core/run/A.ts": header + "\n".repeat(500) }, "at most"],
    ["a function too long", { "core/run/A.ts": header + longFunction }, "f in core/run/A.ts has 62 lines; at most 60"],
    [
      "a generator too long",
      { "core/run/A.ts": `${header}const f = named("x")(function* () {\n${"  g()\n".repeat(60)}})\n` },
      "f in core/run/A.ts has 62 lines"
    ],
    [
      "a circle, of types too",
      {
        "core/run/A.ts": `${header}import { b } from "./B.ts"`,
        "core/run/B.ts": `${header}import type { C } from "./C.ts"`,
        "core/run/C.ts": `${header}import { a } from "./A.ts"`
      },
      "a circle: core/run/A.ts -> core/run/B.ts -> core/run/C.ts -> core/run/A.ts"
    ],
    [
      "a folder too full",
      Object.fromEntries(Array.from({ length: 13 }, (_, at) => [`core/run/A${at}.ts`, header])),
      "core/run holds 13 files side by side"
    ],
    [
      "a training that reaches the report's figures",
      {
        "stages/train.ts": `${header}import { a } from "./lib/network/A.ts"`,
        "stages/lib/network/A.ts": `${header}import { percent } from "../Figures.ts"`,
        "stages/lib/Figures.ts": header
      },
      "results: stages/train.ts -> stages/lib/network/A.ts -> stages/lib/Figures.ts"
    ],
    [
      "a training that reaches the doctor's words",
      {
        "stages/train.ts": `${header}import { a } from "../engine/index.ts"`,
        "engine/index.ts": `${header}export { a } from "./Doctor.ts"`,
        "engine/Doctor.ts": header
      },
      "results: stages/train.ts -> engine/index.ts -> engine/Doctor.ts"
    ],
    [
      "a stage that packs images and draws a chart",
      {
        "stages/augment.ts": `${header}import { a } from "../charts/A.ts"`,
        "charts/A.ts": header
      },
      "results: stages/augment.ts -> charts/A.ts"
    ],
    ["a file in no room", { "misc/A.ts": header }, "in no room"]
  ])("%s", (_what, sources, problem) => {
    expect(problems(sources).join("\n")).toContain(problem)
  })

  it("each circle once", () => {
    const files = { "a.ts": `import "./b.ts"`, "b.ts": `import "./a.ts"; import "./c.ts"`, "c.ts": `import "./c.ts"` }
    expect(circles(files)).toEqual([["a.ts", "b.ts"], ["c.ts"]])
  })

  it("and lets good ones pass", () => {
    expect(
      problems({
        "stages/a.ts": `${header}import { Stage } from "../core/index.ts"\nimport { b } from "./lib/images/B.ts" // Date.now is not used`,
        "cli/A.ts": `${header}import { Disk } from "../cache/store/Disk.ts"`,
        "core/start/a.cjs": `#!/usr/bin/env node\n${header}`
      })
    ).toEqual([])
  })
})
