/** What steps take of the machine: those that need more than is left wait (dvc#9363, dvc#755, cctools#1695). */
import { readFileSync } from "node:fs"
import { totalmem } from "node:os"
import * as path from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { Pipeline, Stage } from "../../core/index.ts"
import { events, lastEvent, opPipe } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"

const root = path.join(temporaryFolder(), "project")

const share = Math.round((Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY) * 0.6) / 1e6)
/** What the two steps of each pair ask for. */
const pairs = {
  fitting: 'cores: 1, memory: "1 MiB"',
  wide: "cores: 2",
  heavy: `memory: "${share} MB"`,
  excessive: 'cores: 64, memory: "100000 GiB"',
  seeing: "cores: 1",
  one: "gpus: 1",
  two: "gpus: 2"
}
/** One pipeline for all of them, of which a run is about one pair. */
const pipeline = (options: typeof pairs): string => `import { Artifact, Pipeline, Stage } from "./core/index.ts"
const Times = Artifact.text({ tag: "Times/v1", path: "times.txt" })
const command = 'date +%s%N > "$times"; sleep 1; date +%s%N >> "$times"; echo "GPUs: \${CUDA_VISIBLE_DEVICES-all}" >> "$times"'
const step = (name: string, options: object) =>
  Pipeline.step(Stage.command({ name, command, inputs: {}, output: { times: Times }, ...options }), { inputs: {} })
export default Pipeline.make({ name: "resources", steps: [${Object.entries(options).flatMap(([name, asked]) =>
  ["a", "b"].map((each) => `step("${each}-${name}", { ${asked} })`)
)}] })
`
beforeAll(() => makeProject(root, undefined, { "pipeline.ts": pipeline(pairs) }))

const start = async (pair: keyof typeof pairs, more: ReadonlyArray<string> = [], gpus?: string) => {
  const asked = ["--only", `a-${pair}`, "--only", `b-${pair}`, ...more]
  const env = gpus === undefined ? {} : { CUDA_VISIBLE_DEVICES: gpus }
  const finished = await opPipe(["run", "--json", "--cores", "2", ...asked], { cwd: root, env })
  expect(finished.code, finished.stdout + finished.stderr).toBe(0)
  return finished
}
const run = async (pair: keyof typeof pairs, gpus?: string) => {
  const finished = await start(pair, gpus === undefined ? [] : ["--force", `a-${pair}`, "--force", `b-${pair}`], gpus)
  const [a, b] = ["a", "b"].map((name) => {
    const text = readFileSync(path.join(root, "outputs", `${name}-${pair}`, "times.txt"), "utf8")
    const [began, ended, seen] = text.trim().split("\n")
    return { began: Number(began), ended: Number(ended), seen: seen!.replace("GPUs: ", "") }
  }) as [Taken, Taken]
  const notices = events(finished).flatMap((event) => (event.type === "Notice" ? [event.text] : []))
  return { overlap: a.began < b.ended && b.began < a.ended, notices, gpus: [a.seen, b.seen].sort() }
}
interface Taken {
  readonly began: number
  readonly ended: number
  readonly seen: string
}

describe("two steps", () => {
  it("run side by side where both fit", async () => {
    expect(await run("fitting")).toMatchObject({ overlap: true })
  })

  it.each(["wide", "heavy"] as const)("one after the other where they do not: %s", async (pair) => {
    expect(await run(pair)).toMatchObject({ overlap: false, notices: [] })
  })

  it("that need more than there is run alone, and say so", async () => {
    const { overlap, notices } = await run("excessive")
    expect(overlap).toBe(false)
    expect(notices).toHaveLength(2)
    expect(notices[0]).toMatch(
      /^[ab]-excessive: it asks for 64 cores of 2 and 100000 GiB of memory, of [\d.]+ GiB that the run has, so it runs alone$/u
    )
  })

  it("see GPUs of their own", async () => {
    expect(await run("one", "3,GPU-4fc3")).toMatchObject({ overlap: true, notices: [], gpus: ["3", "GPU-4fc3"] })
    expect(await run("one", "3")).toMatchObject({ overlap: false, notices: [], gpus: ["3", "3"] })
    // what follows a name of none is not there
    expect(await run("one", "2,-1,3")).toMatchObject({ overlap: false, gpus: ["2", "2"] })
    expect(await run("two", "0, 1")).toMatchObject({ overlap: false, notices: [], gpus: ["0,1", "0,1"] })
    expect(await run("seeing", "0,1")).toMatchObject({ overlap: true, gpus: ["0,1", "0,1"] })
  })

  it("that ask for more GPUs than anybody knows of run alone, and see what there is", async () => {
    const { overlap, notices, gpus } = await run("two", "0")
    expect({ overlap, gpus }).toEqual({ overlap: false, gpus: ["0", "0"] })
    expect(notices[0]).toMatch(/^[ab]-two: it asks for 2 GPUs of 1 that the run has, so it runs alone$/u)
  })

  it("do not run again when they take something else", async () => {
    await start("fitting")
    writeFiles(root, { "pipeline.ts": pipeline({ ...pairs, fitting: 'cores: 2, memory: "1 GB"' }) })
    expect(lastEvent(await start("fitting"))).toMatchObject({ executed: [], cached: ["a-fitting", "b-fitting"] })
  })
})

it.each([
  [{ cores: 0 }, "expected cores to be a whole number from 1 on, but found 0"],
  [{ cores: 1.5 }, "but found 1.5"],
  [{ gpus: 0 }, "expected gpus to be a whole number from 1 on, but found 0"],
  [{ memory: "4" }, 'expected memory to be an amount such as "4 GiB" or "500 MB", but found "4"'],
  [{ memory: "0 GiB" }, "expected memory"],
  [{ memory: "4 gigs" }, "expected memory"]
])("a declaration of %j is refused", (options, problem) => {
  const declare = (given: object) => Stage.command({ name: "c", command: ":", inputs: {}, output: {}, ...given })
  expect(() => declare(options)).toThrow(problem)
  expect(() => Pipeline.step(declare({}), { inputs: {}, ...(options as object) })).toThrow(problem)
})
