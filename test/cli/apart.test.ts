/** Several pipelines in one folder, outputs of steps that are gone, and questions, which remember a run's settings and make nothing. */
import { existsSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { beforeEach, describe, expect, it } from "vitest"
import { opPipe } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { temporaryFolder } from "../lib/temporary.ts"

const root = path.join(temporaryFolder(), "project")
const op = (...args: ReadonlyArray<string>) => opPipe(args, { cwd: root })
const read = (file: string): string => readFileSync(path.join(root, file), "utf8")

/** A pipeline of commands that write their own names. */
const pipeline = (name: string, steps: ReadonlyArray<string>, more = ""): string => `
import { Artifact, Pipeline, Stage } from "./core/index.ts"
const Text = Artifact.file({ tag: "Text/v1", path: "o.txt" })
const named = (name) => Pipeline.step(Stage.command({ name, command: 'echo ${name} ' + name + ' $WORD > "$o"', inputs: {}, output: { o: Text }, env: { WORD: "" } }), { inputs: {} })
export default Pipeline.make({ name: "${name}", steps: ${JSON.stringify(steps)}.map(named)${more} })
`

// snakemake/snakemake#3943, nf-core/sarek#1028
describe("two pipelines in one folder", () => {
  beforeEach(async () => {
    makeProject(root, undefined, {
      "daily.ts": pipeline("daily", ["report"]),
      "monthly.ts": pipeline("monthly", ["report"]),
      "pipeline.ts": pipeline("yearly", ["report"])
    })
    for (const file of ["daily.ts", "monthly.ts", "pipeline.ts"]) await op("run", "--file", file)
  })

  it("have outputs of their own", async () => {
    expect(read("outputs/daily/report/o.txt")).toBe("daily report\n")
    expect(read("outputs/monthly/report/o.txt")).toBe("monthly report\n")
    expect(read("outputs/report/o.txt")).toBe("yearly report\n")
    for (const file of ["daily.ts", "monthly.ts", "pipeline.ts"]) {
      expect((await op("status", "--file", file)).stdout).toContain("✓ report  fresh")
      expect((await op("run", "--file", file)).stdout).toContain("1 cached")
    }
    await op("run", "--file", "daily.ts", "--outputs", "elsewhere")
    expect(read("elsewhere/report/o.txt")).toBe("daily report\n")
  })

  it("compare with runs of their own", async () => {
    writeFileSync(path.join(root, "daily.ts"), pipeline("daily", ["report", "more"]))
    const why = await op("why", "more", "--file", "daily.ts")
    expect(why.stdout).toContain("more is never run")
    expect((await op("run", "--file", "monthly.ts", "--force", "--dry-run")).stdout).toContain("forced")
    const changed = await op("status", "--file", "daily.ts", "--set", "report.env.WORD=now")
    expect(changed.stdout).toContain('report  stale: parameter env.WORD: "" -> "now"')
    const { runs } = JSON.parse((await op("history", "--json")).stdout) as { runs: ReadonlyArray<{ pipeline: string }> }
    expect(runs.map((each) => each.pipeline)).toEqual(["daily", "monthly", "yearly"])
    expect((await op("history")).stdout).toMatch(/ {2}daily {2}/u)
    const shown = JSON.parse((await op("show", "last", "--file", "daily.ts", "--json")).stdout) as { pipeline: string }
    expect(shown.pipeline).toBe("daily")
  })

  it("keep their last results in a collection", async () => {
    const kept = path.join(root, ".op-pipe/v1")
    for (const name of readdirSync(kept, { recursive: true, encoding: "utf8" })) {
      const old = new Date(Date.now() - 61 * 86_400_000)
      if (/^(results|blobs)\b/u.test(name)) utimesSync(path.join(kept, name), old, old)
    }
    const gc = async () =>
      JSON.parse((await op("cache", "gc", "--dry-run", "--json")).stdout) as { results: ReadonlyArray<string> }
    expect((await gc()).results).toEqual([])
    rmSync(path.join(kept, "last/@daily"), { recursive: true })
    expect((await gc()).results).toHaveLength(1)
    await op("run", "--file", "daily.ts")
    expect(readdirSync(path.join(root, ".op-pipe/v1/last")).sort()).toEqual(["@daily", "@monthly", "@yearly"])
  })
})

describe("outputs of a step that is gone", () => {
  it("are told, and removed by clean", async () => {
    makeProject(root, undefined, { "pipeline.ts": pipeline("one", ["keep", "old"]) })
    await op("run")
    writeFileSync(path.join(root, "pipeline.ts"), pipeline("one", ["keep"]))
    writeFileSync(path.join(root, "outputs/mine.txt"), "of the user")
    const text = "outputs/old: of no step of the pipeline any more. `op-pipe clean` removes such outputs"
    expect((await op("run")).stdout).toContain(`! ${text}`)
    expect((await op("status")).stderr).toContain(text)
    expect((await op("run", "--only", "keep")).code).toBe(0)
    expect((await op("clean", "--dry-run")).stdout).toBe("would remove outputs/old\n")
    expect(existsSync(path.join(root, "outputs/old"))).toBe(true)
    expect((await op("clean")).stdout).toBe("removed outputs/old\n")
    expect(readdirSync(path.join(root, "outputs")).sort()).toEqual([".laid-out", "keep", "mine.txt"])
    expect(JSON.parse((await op("clean", "--json")).stdout)).toEqual({ removed: [], dryRun: false })
    expect((await op("run")).stdout).not.toContain("clean")
  })
})

describe("a question", () => {
  it("is asked with the settings of the last run, unless it has its own", async () => {
    const profiles = `, profiles: { small: { one: { env: { WORD: "small" } } }, large: {} }`
    makeProject(root, undefined, { "pipeline.ts": pipeline("asked", ["one", "two"], profiles) })
    await op("run", "--profile", "small", "--set", "two.env.WORD=set")
    const status = await op("status")
    expect(status.stdout).toBe("✓ one  fresh\n✓ two  fresh\n")
    expect(status.stderr).toBe("as in the last run: --profile small --set two.env.WORD=set\n")
    expect((await op("why", "two")).stdout).toContain("two is fresh")
    expect((await op("status", "--profile", "large")).stdout).toContain("one  stale")
    await op("run")
    expect((await op("status")).stderr).toBe("")
    // a profile that is gone is nobody's mistake
    await op("run", "--profile", "small")
    writeFileSync(path.join(root, "pipeline.ts"), pipeline("asked", ["one", "two"]))
    expect(await op("status")).toMatchObject({ code: 0, stderr: "" })
  })

  it("makes nothing", async () => {
    makeProject(root, undefined, { "pipeline.ts": pipeline("asked", ["one"]) })
    const before = readdirSync(root)
    for (const args of [["status"], ["why", "one"], ["dag", "--status"], ["history"], ["clean"]])
      expect((await op(...args)).code).toBe(0)
    for (const args of [
      ["logs", "one"],
      ["show", "last"],
      ["diff", "last", "last"]
    ])
      await op(...args)
    expect(readdirSync(root)).toEqual(before)
  })
})
