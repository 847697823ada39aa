/** Executors of `op-pipe.json`: what is configured for which step, and what is refused. */
import { mkdirSync } from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import * as Clusters from "../../../cli/on/Clusters.ts"
import { describeNodes } from "../../../cli/on/Doctor.ts"
import { temporaryFolder, writeFiles } from "../../lib/temporary.ts"

const before = process.env["XDG_CONFIG_HOME"]
let home: string
beforeEach(() => {
  home = temporaryFolder()
  process.env["XDG_CONFIG_HOME"] = home
})
afterEach(() => {
  if (before === undefined) delete process.env["XDG_CONFIG_HOME"]
  else process.env["XDG_CONFIG_HOME"] = before
})

const projectWith = (executors: unknown): string => {
  const root = path.join(temporaryFolder(), "project")
  mkdirSync(root)
  writeFiles(root, { "op-pipe.json": JSON.stringify({ executors }) })
  return root
}
const settingsOf = async (executors: unknown, step: string) => {
  const root = projectWith(executors)
  const of = Effect.flatMap(Clusters.find(root, "hpc"), (cluster) => Clusters.settingsOf("hpc", cluster))
  return (await Effect.runPromise(of))(step)
}
const refusal = async (executors: unknown, name = "hpc"): Promise<string> => {
  const root = projectWith(executors)
  const found = Effect.flatMap(Clusters.find(root, name), (cluster) => Clusters.settingsOf(name, cluster))
  const { message, fault } = await Effect.runPromise(Effect.flip(found))
  expect(fault).toBe("input")
  return message
}

describe("what a step takes", () => {
  const steps = {
    "*": { memory: "4 GiB", time: "1 hour" },
    "train*": { cores: 8, time: "4 hours", gpus: 1 },
    "train@small": { cores: 2 },
    report: { local: true }
  }
  const hpc = { hpc: { type: "slurm", steps } }

  it("is what the last pattern says that the step is like, each setting by itself", async () => {
    const gibibyte = 2 ** 30
    const hour = 3_600_000
    expect(await settingsOf(hpc, "split")).toEqual({ memoryBytes: 4 * gibibyte, timeMs: hour })
    expect(await settingsOf(hpc, "train@bn#2[a]")).toEqual({
      ...{ memoryBytes: 4 * gibibyte, timeMs: 4 * hour },
      ...{ cores: 8, gpus: 1 }
    })
    expect(await settingsOf(hpc, "train@small")).toMatchObject({ cores: 2, gpus: 1 })
    expect(await settingsOf(hpc, "report")).toMatchObject({ local: true })
    expect(await settingsOf(hpc, "reports")).not.toHaveProperty("local")
  })

  it("takes no character of a name for a pattern, but for the star", async () => {
    const odd = { hpc: { type: "slurm", steps: { "a.b[x+y]": { cores: 3 }, "c(*)$": { cores: 4 } } } }
    expect(await settingsOf(odd, "a.b[x+y]")).toEqual({ cores: 3 })
    expect(await settingsOf(odd, "aXb[x+y]")).toEqual({})
    expect(await settingsOf(odd, "c(1\n2)$")).toEqual({ cores: 4 })
  })
})

describe("executors", () => {
  it("of the user's own file are there too, under those of the project", async () => {
    writeFiles(home, {
      "op-pipe/config.json": JSON.stringify({
        executors: { hpc: { type: "slurm", jobs: 1 }, mine: { type: "slurm", jobs: 2 } }
      })
    })
    const all = await Effect.runPromise(Clusters.configured(projectWith({ hpc: { type: "slurm", jobs: 3 } })))
    expect(all).toMatchObject({ hpc: { jobs: 3 }, mine: { jobs: 2 }, slurm: { type: "slurm" }, srun: { type: "srun" } })
  })

  it.each([
    [
      "a misspelt name",
      { hpc: { type: "slurm", partiton: "gpu" } },
      /op-pipe\.json: executors\.hpc\.partiton: expected nothing of this name, but found a value/u
    ],
    [
      "another type",
      { hpc: { type: "pbs" } },
      /op-pipe\.json: executors\.hpc\.type: expected "slurm" or "srun", but found "pbs"/u
    ],
    ["no cores", { hpc: { type: "slurm", steps: { "*": { cores: 0 } } } }, /expected/u],
    [
      "memory in other words",
      { hpc: { type: "slurm", steps: { "*": { memory: "16G" } } } },
      /memory.*"4 GiB".*"16G"/su
    ],
    ["a time in other words", { hpc: { type: "slurm", steps: { "*": { time: "4h" } } } }, /time.*"2 hours".*"4h"/su],
    ["no executors", [], /op-pipe\.json: executors: expected an object, but found \[\]/u]
  ])("%s is refused, in words", async (_, executors, message) => {
    expect(await refusal(executors)).toMatch(message)
  })

  it("a misspelt name of all is refused", async () => {
    const root = projectWith({})
    writeFiles(root, { "op-pipe.json": JSON.stringify({ executers: {} }) })
    const { message } = await Effect.runPromise(Effect.flip(Clusters.find(root, "slurm")))
    expect(message).toMatch(/op-pipe\.json: expected one of the names remote, executors, but found "executers"/u)
  })

  it("a name that is none is refused, with the one that was meant", async () => {
    expect(await refusal({ hpc: { type: "slurm" } }, "hcp")).toMatch(
      /one of the executors local, slurm, srun, hpc.*Did you mean "hpc"/u
    )
  })
})

it("nodes are counted by their kind", () => {
  expect(describeNodes("3|2|2000|(null)\n1|64|515000|gpu:a100:4\n2|64|515000|gpu:a100:4\n")).toBe(
    "3 × 2 processors, 2 GiB; 3 × 64 processors, 503 GiB, gpu:a100:4"
  )
  expect(describeNodes("")).toBe("no nodes")
})
