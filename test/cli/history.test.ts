/** Earlier runs: listed, shown, compared, brought back, pinned. */
import { readdirSync, readFileSync, rmSync, utimesSync } from "node:fs"
import * as path from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { opPipe, repository } from "../lib/cli.ts"
import { chainModule, makeProject, stageModule, valueModule } from "../lib/project.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"

const root = temporaryFolder()
writeFiles(root, { "texts/a.txt": "hello big world\n" })

const call = (verb: ReadonlyArray<string>, ...args: ReadonlyArray<string>) =>
  opPipe(
    [
      ...verb,
      "--file",
      path.join(repository, "test/fixtures/letters/pipeline.ts"),
      "--store",
      "store",
      "--outputs",
      "outputs",
      ...args
    ],
    { cwd: root }
  )
const page = (): string => readFileSync(path.join(root, "outputs/print/pages/page.txt"), "utf8")

beforeAll(async () => {
  await call(["run"], "--data", "texts")
  await call(["run"], "--data", "texts", "--set", "words.minimum=4")
})

describe("history", () => {
  it("lists runs, show tells one, diff compares two", async () => {
    const { runs } = JSON.parse((await call(["history"], "--json")).stdout) as {
      runs: ReadonlyArray<{ runId: string; executed: ReadonlyArray<string> }>
    }
    expect(runs.map((run) => run.executed.length)).toEqual([4, 4])
    const shown = JSON.parse((await call(["show", runs[1]!.runId], "--json")).stdout) as {
      steps: ReadonlyArray<{ id: string; params: unknown }>
    }
    expect(shown.steps[0]).toMatchObject({
      id: "words",
      state: "executed",
      params: { minimum: 4, fail: "no", waitMs: 0 }
    })
    const compared = await call(["diff", "last~1", "last"])
    expect(compared.stdout).toContain("parameter minimum: 1 -> 4")
    expect(compared.stdout).toMatch(/count\.json\.count: 3 -> 2/)
  })

  it("restore brings the outputs of an earlier run back, and pin keeps its results", async () => {
    expect(page()).toMatch(/^HELLO 2 /)
    expect((await call(["pin", "last~1"])).code).toBe(0)
    const restored = await call(["restore", "last~1"])
    expect(restored.stdout).toContain("words, count(words), count(letters), print")
    expect(page()).toMatch(/^HELLO 3 /)
    const stats = JSON.parse((await call(["cache", "stats"], "--json")).stdout) as unknown
    expect(stats).toMatchObject({ runs: 2, pinned: 1, results: 8 })
    expect((await call(["cache", "verify"])).stdout).toContain("none damaged")
    const planned = JSON.parse((await call(["cache", "gc", "--dry-run"], "--json")).stdout) as unknown
    expect(planned).toMatchObject({ results: [], freedBytes: 0 })
  })

  it("restore brings back what a forced execution has replaced, and pin keeps it, whatever of the hints is lost", async () => {
    const project = path.join(temporaryFolder(), "project")
    makeProject(project, undefined, {
      "value.ts": valueModule("Schema.Finite"),
      "first.ts": stageModule("first", "{}", "output.value.write(performance.now())"),
      "second.ts": stageModule("second", "{ value: Value }", "Effect.flatMap(inputs.value.read, output.value.write)"),
      "pipeline.ts": chainModule("first", "second")
    })
    const op = (...args: ReadonlyArray<string>) => opPipe(args, { cwd: project })
    const value = () => readFileSync(path.join(project, "outputs/first/value.json"), "utf8")
    await op("run")
    const before = value()
    await op("pin", "last")
    await op("run", "--force", "first")
    expect(value()).not.toBe(before)
    expect((await op("diff", "last~1", "last")).stdout).toContain("value.json")
    expect((await op("restore", "last~1")).code).toBe(0)
    expect(value()).toBe(before)
    rmSync(path.join(project, ".op-pipe/v1/runs"), { recursive: true })
    const long = new Date(Date.now() - 90 * 86_400_000)
    for (const folder of ["results", "blobs"]) {
      const top = path.join(project, ".op-pipe/v1", folder)
      for (const name of readdirSync(top, { recursive: true, encoding: "utf8" }))
        utimesSync(path.join(top, name), long, long)
    }
    const collected = JSON.parse((await op("cache", "gc", "--json")).stdout) as {
      readonly results: ReadonlyArray<string>
    }
    const kept = readdirSync(path.join(project, ".op-pipe/v1/results"), { recursive: true, encoding: "utf8" })
    const [replaced] = kept.filter((name) => name.includes("~"))
    expect(replaced).toBeDefined()
    expect(collected.results.every((name) => !name.includes("~"))).toBe(true)
  })

  it("refuses a run that is not there, and results that are gone, and changes nothing", async () => {
    const unknown = await call(["show", "nope"])
    expect(unknown.code).toBe(2)
    expect(unknown.stderr).toContain("last~N")
    rmSync(path.join(root, "store/v1/blobs"), { recursive: true })
    const before = page()
    const restored = await call(["restore", "last"])
    expect(restored.code).toBe(2)
    expect(restored.stderr).toContain("no longer has the results")
    expect(page()).toBe(before)
  })
})
