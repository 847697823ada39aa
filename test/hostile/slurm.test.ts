/**
 * A cluster that loses machines for long, does not answer for a minute or ends jobs at their limits: nothing wrong is recorded, and
 * it is said what happened. Kills at any moment are in kills.test.ts.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs"
import * as path from "node:path"
import { setTimeout } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { events, eventsSoFar, type Finished, onceUnderWay, opPipe } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { type Cluster, isPossible, startCluster } from "../lib/slurmCluster.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"
import { full, timeoutMs } from "./series.ts"

if (full) vi.setConfig({ testTimeout: timeoutMs })
const base = temporaryFolder()
const root = path.join(base, "project")
let cluster: Cluster
let count = 0

/** A step that counts to `parts`, a tenth of a second each, and goes on from its checkpoint; and what takes more than it may. */
const pipeline = `import { Artifact, Pipeline, Stage } from "./core/index.ts"
import { counting } from "./counting.ts"
const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })
const greedy = Stage.command({
  name: "greedy",
  command: 'node -e "const all = []; for (;;) all.push(Buffer.alloc(2 ** 26, 1))" > "$text"',
  inputs: {}, output: { text: Text }, memory: "300 MiB"
})
const sleeping = Stage.command({ name: "sleeping", command: 'sleep 300; echo > "$text"', inputs: {}, output: { text: Text } })
export default Pipeline.make({
  name: "hostile",
  steps: [greedy, sleeping, counting].map((stage) => Pipeline.step(stage, { inputs: {} }))
})
`
const counting = `import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Artifact, Stage } from "./core/index.ts"
const Value = Artifact.json({ tag: "Value/v1", path: "value.json", schema: Schema.Struct({ counted: Schema.Int, from: Schema.Int }) })
export const counting = Stage.make({
  name: "counting",
  source: import.meta.url,
  params: Schema.Struct({ parts: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(10))) }),
  inputs: {},
  output: { value: Value },
  run: ({ params, output, progress, checkpoint }) => Effect.gen(function* () {
    const saved = yield* checkpoint.load
    const from = saved === undefined ? 0 : saved[0]
    for (let done = from; done < params.parts; done++) {
      yield* progress({ label: "parts", done, total: params.parts, unit: "" })
      yield* Effect.sleep(100)
      if (done % 10 === 9) yield* checkpoint.save(new Uint8Array([done + 1]))
    }
    yield* output.value.write({ counted: params.parts, from })
  })
})
`

const config = {
  executors: {
    quick: { type: "slurm", seenWithin: "2 seconds" },
    short: { type: "slurm", seenWithin: "2 seconds", steps: { "*": { time: "1 minute" } } }
  }
}

const newPlace = (): string => {
  const place = path.join(base, `place-${++count}`)
  mkdirSync(place)
  return place
}

type More = Pick<Parameters<typeof opPipe>[1], "onStart" | "onOutput">
const run = (place: string, step: string, args: ReadonlyArray<string> = [], more: More = {}): Promise<Finished> =>
  opPipe(
    [
      ...["run", "--json", "--only", step, ...(args.includes("--on") ? [] : ["--on", "quick"])],
      ...["--store", path.join(place, "store"), "--outputs", path.join(place, "outputs"), ...args]
    ],
    { cwd: root, env: { ...cluster.env, XDG_CONFIG_HOME: base }, ...more }
  )

const left = (place: string): ReadonlyArray<string> =>
  ["jobs", "work"].flatMap((name) => {
    const folder = path.join(place, "store/v1", name)
    return existsSync(folder) ? readdirSync(folder) : []
  })

const valueOf = (place: string) =>
  JSON.parse(readFileSync(path.join(place, "outputs/counting/value.json"), "utf8")) as { counted: number; from: number }
const outcomeOf = (finished: Finished): string =>
  eventsSoFar(finished.stdout).flatMap((event) => (event.type === "RunFinished" ? event.executed : []))[0] ?? "none"
const failuresOf = (finished: Finished): ReadonlyArray<string> =>
  events(finished).flatMap((event) => (event.type === "StepFailed" ? [event.reason] : []))

/** The node that the one job runs on, by its number. */
const nodeOfJob = (): number => Number(/n(\d)/u.exec(cluster.call("squeue", "-h", "-t", "R", "-o", "%N"))?.[1])

beforeAll(async () => {
  if (!isPossible) return
  makeProject(root, undefined, { "pipeline.ts": pipeline, "counting.ts": counting })
  writeFiles(base, { "op-pipe/config.json": JSON.stringify(config) })
  cluster = await startCluster(path.join(base, "cluster"), { nodes: 3 })
})
afterAll(() => cluster?.down())

describe.runIf(isPossible)("a run on a cluster", () => {
  it.runIf(full)("goes on with a step from its checkpoint on another machine, when the first is lost", async () => {
    const place = newPlace()
    const finished = await run(place, "counting", ["--set", "counting.parts=150"], {
      onOutput: onceUnderWay(() => void setTimeout(5000).then(() => cluster.lose(nodeOfJob())))
    })
    expect(outcomeOf(finished)).toBe("counting")
    expect(finished.stdout).toMatch(/StepRetried.*NODE_FAIL/u)
    expect(valueOf(place).counted).toBe(150)
    expect(valueOf(place).from).toBeGreaterThan(0)
    for (let number = 1; number <= cluster.nodes; number++) await cluster.restore(number)
    expect(left(place)).toEqual([])
  })

  it.runIf(full)("takes nothing from a machine that was cut off and goes on", async () => {
    const place = newPlace()
    const finished = await run(place, "counting", ["--set", "counting.parts=600"], {
      onOutput: onceUnderWay(() => void setTimeout(3000).then(() => cluster.cut(nodeOfJob())))
    })
    // whichever of the two ended first: what is recorded is right
    expect(outcomeOf(finished)).toBe("counting")
    expect(valueOf(place).counted).toBe(600)
    for (let number = 1; number <= cluster.nodes; number++) await cluster.restore(number)
    await setTimeout(2000)
    expect(left(place)).toEqual([])
  })

  it.runIf(full)("waits for a cluster that does not answer for a minute, and says so", async () => {
    const place = newPlace()
    const finished = await run(place, "counting", ["--set", "counting.parts=1000"], {
      onOutput: onceUnderWay(() => {
        void cluster
          .stopController()
          .then(() => setTimeout(75_000))
          .then(() => cluster.startController())
      })
    })
    expect(finished.stdout).toMatch(/the cluster does not answer/u)
    expect(outcomeOf(finished)).toBe("counting")
    expect(valueOf(place)).toEqual({ counted: 1000, from: 0 })
  })

  it.runIf(full)("says which limit a step has reached: memory, time", async () => {
    const place = newPlace()
    const greedy = await run(place, "greedy")
    expect([greedy.code, failuresOf(greedy)[0]]).toEqual([
      1,
      expect.stringMatching(/more memory than it had \(300 MiB\)/u)
    ])
    const late = await run(place, "sleeping", ["--on", "short"])
    expect([late.code, failuresOf(late)[0]]).toEqual([1, expect.stringMatching(/time limit \(1 minutes\).*"time"/u)])
    expect(left(place)).toEqual([])
  })
})
