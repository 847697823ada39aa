/** `--seeds` on a small pipeline: what is new is made, nothing else, and every verb knows the replicas. */
import { readFileSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { beforeEach, describe, expect, it } from "vitest"
import { events, lastEvent, opPipe } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { temporaryFolder } from "../lib/temporary.ts"

const root = path.join(temporaryFolder(), "project")

beforeEach(() => {
  makeProject(root, "seeds", { "texts/a.txt": "a", "texts/b.txt": "b" })
})

const command = (verb: string, ...args: ReadonlyArray<string>) => {
  const places = ["--data", "texts", "--store", "store", "--outputs", "outputs"]
  return opPipe([verb, "--file", "test/fixtures/seeds/pipeline.ts", ...places, ...args], { cwd: root })
}
const run = async (...args: ReadonlyArray<string>) => lastEvent(await command("run", "--json", ...args))
const table = (): unknown => JSON.parse(readFileSync(path.join(root, "outputs/list/table.json"), "utf8"))
const single = ["measure", "roll@a", "roll@b", "list"]

describe("run --seeds", () => {
  it("makes what is new: of a finished single run nothing, of a further seed its own steps", async () => {
    expect(await run()).toMatchObject({ executed: single })
    expect(await run("--seeds", "3")).toMatchObject({
      executed: ["roll@a#2", "roll@b#2", "roll@a#3", "roll@b#3", "list"],
      cached: ["measure", "roll@a", "roll@b"]
    })
    // factor 2 times the seed, and what is upstream of it over ten: seeds 5, 6, 7 of two texts
    expect(table()).toEqual([10.52, 12.62, 14.72])
    expect(await run("--seeds", "4")).toMatchObject({ executed: ["roll@a#4", "roll@b#4", "list"] })
    // back to fewer, and to one: all of it is there
    expect(await run("--seeds", "3")).toMatchObject({ executed: [] })
    expect(await run()).toMatchObject({ executed: [], cached: single })
    expect(table()).toEqual([10.52])
  })

  it("finds a seed's result whatever its place in the row", async () => {
    await run("--seeds", "2")
    expect(await run("--seed", "6", "--set", "measure.seed=5")).toMatchObject({
      executed: ["list"],
      cached: ["measure", "roll@a", "roll@b"]
    })
  })

  it("executes downstream alone when a parameter there changes", async () => {
    await run("--seeds", "3")
    expect(await run("--seeds", "3", "--set", "list.sign=-1")).toMatchObject({ executed: ["list"] })
  })

  it("brings one replica and what it needs", async () => {
    expect(await run("--seeds", "3", "--only", "roll(b)#2")).toMatchObject({
      executed: ["measure", "roll@a#2", "roll@b#2"]
    })
  })
})

describe("the other verbs", () => {
  it("tell of replicas: status, why, --dry-run, dag", async () => {
    await run()
    const status = JSON.parse((await command("status", "--json", "--seeds", "2")).stdout) as {
      steps: ReadonlyArray<{ id: string; state: string }>
    }
    expect(status.steps.map(({ id, state }) => `${id} ${state}`)).toEqual([
      "measure fresh",
      "roll@a fresh",
      "roll@b fresh",
      "roll@a#2 never run",
      "roll@b#2 never run",
      "list pending"
    ])
    await run("--seeds", "2")
    for (const past of [["history"], ["show", "last"]]) {
      expect(
        (await opPipe([...past, "--file", "test/fixtures/seeds/pipeline.ts", "--store", "store"], { cwd: root })).stdout
      ).toContain("seeds 5 to 6")
    }
    const why = await command("why", "roll@a#2", "--seeds", "2", "--set", "roll@a#2.seed=9")
    expect(why.stdout).toContain("parameter seed: 6 -> 9")
    const fewer = await command("why", "list", "--set", "list.sign=2")
    expect(fewer.stdout).toContain("input others[2] was removed")
    const planned = events(await command("run", "--json", "--dry-run", "--seeds", "3"))
    expect(planned).toContainEqual(expect.objectContaining({ step: "roll@a#3", state: "never run" }))
    const dag = await command("dag", "--seeds", "2")
    expect(dag.stdout).toContain("list")
    expect(dag.stdout).toContain("roll(b)#2")
    const mermaid = await command("dag", "--seeds", "2", "--format", "mermaid")
    expect(mermaid.stdout).toMatch(/^ {2}n\d+\["roll\(b\)#2"\]$/m)
  })

  it("refuse a variant that looks like a replica", async () => {
    const file = path.join(root, "test/fixtures/seeds/pipeline.ts")
    writeFileSync(file, readFileSync(file, "utf8").replace('variant: "b"', 'variant: "a#2"'))
    const finished = await command("status")
    expect(finished.code).toBe(2)
    expect(finished.stderr).toContain("variant of roll: expected a name without #")
    expect(finished.stderr).toContain('found "a#2"')
  })

  it("refuse what is no number of seeds, and a replica beyond it", async () => {
    for (const [args, said] of [
      [["run", "--seeds", "0"], "seeds"],
      [["run", "--seeds", "two"], "seeds"],
      [["why", "roll@a#3", "--seeds", "2"], "roll@a#2"]
    ] as const) {
      const [verb, ...rest] = args
      const finished = await command(verb, ...rest)
      expect(finished.code).toBe(2)
      expect(finished.stderr).toContain(said)
    }
  })
})
