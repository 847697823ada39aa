/** `op-pipe plots`: a page of the curves of runs, variants apart, and whose file it may replace. */
import { readFileSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import type { shapes } from "../../cli/json/Shapes.ts"
import { opPipe } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { temporaryFolder } from "../lib/temporary.ts"

const root = path.join(temporaryFolder(), "project")
const op = (...args: ReadonlyArray<string>) => opPipe(args, { cwd: root })

const pipeline = `
import { Effect, Schema } from "effect"
import { Artifact, Pipeline, Stage } from "./core/index.ts"
const History = Artifact.json({ tag: "History/v1", path: "history.json", schema: Schema.Unknown })
const train = Stage.command({
  name: "train",
  params: Schema.Struct({ rate: Schema.Finite.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))) }),
  command: 'printf "[{\\\\"epoch\\\\": 1, \\\\"loss\\\\": %s}, {\\\\"epoch\\\\": 2, \\\\"loss\\\\": 0}]" "$rate" > "$history"',
  inputs: {},
  output: { history: History }
})
export default Pipeline.make({ name: "curves", plots: [History], steps: ["bn", "nobn"].map((variant) => Pipeline.step(train, { variant, inputs: {} })) })
`

beforeAll(async () => {
  makeProject(root, undefined, { "pipeline.ts": pipeline })
  await op("run")
  await op("run", "--set", "train.rate=3")
})

describe("plots", () => {
  it("draws a curve for each run and variant", async () => {
    expect(await op("plots", "last~1", "last")).toMatchObject({ code: 0, stdout: "plots.html  1 chart of 4 curves\n" })
    const page = readFileSync(path.join(root, "plots.html"), "utf8")
    for (const label of ["bn rate=1", "nobn rate=1", "bn rate=3", "nobn rate=3"])
      expect(page).toContain(`${label}</li>`)
    expect(page.match(/<g class="curve">/gu)).toHaveLength(4)
    const { charts } = JSON.parse((await op("plots", "--json")).stdout) as (typeof shapes)["plots"]["Type"]
    expect(charts).toHaveLength(1)
    expect(charts[0]).toMatchObject({ name: "train.history.loss", label: "loss", x: "epoch" })
    expect(charts[0]?.curves.map(({ variant, points }) => [variant, points])).toEqual([
      [
        "bn",
        [
          [1, 3],
          [2, 0]
        ]
      ],
      [
        "nobn",
        [
          [1, 3],
          [2, 0]
        ]
      ]
    ])
  })

  it("tells runs apart that differ in no parameter", async () => {
    await op("run")
    await op("run", "--force")
    const page = path.join(root, "same.html")
    await op("plots", "last~1", "last", "--to", "same.html")
    expect(readFileSync(page, "utf8")).toMatch(/>bn \d{8}-\d{6}-[0-9a-f]{4}<\/li>/u)
  })

  it("replaces no file of somebody's own", async () => {
    writeFileSync(path.join(root, "mine.html"), "<p>mine")
    const { code, stderr } = await op("plots", "--to", "mine.html")
    expect(stderr).toContain("--to mine.html: expected a page that op-pipe wrote, or none, but found another file")
    expect(code).toBe(2)
    expect(readFileSync(path.join(root, "mine.html"), "utf8")).toBe("<p>mine")
  })
})
