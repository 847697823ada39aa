/**
 * Runs on a cluster of three machines in which one of five is killed at any moment: the submitter, a job's worker, the daemon of a
 * machine, a machine, the controller. Results are those of a run without a cluster, nothing finished is done again, nothing is left
 * over, and no hand is needed but to start a killed run again.
 */
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs"
import * as path from "node:path"
import { setTimeout } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { eventsSoFar, type Finished, opPipe } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { contents } from "../lib/runs.ts"
import { type Cluster, isPossible, startCluster } from "../lib/slurmCluster.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"
import { full, series, timeoutMs } from "./series.ts"

// to find out that a machine is lost takes half a minute, if it does not come back before
vi.setConfig({ testTimeout: full ? timeoutMs : 300_000 })
const base = temporaryFolder()
const root = path.join(base, "project")
let cluster: Cluster

/** Two steps that count side by side and go on from their checkpoints, and one that reads both. */
const pipeline = `import { Artifact, Pipeline, Stage } from "./core/index.ts"
import { counting, Value } from "./counting.ts"
const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })
const one = Pipeline.step(counting, { variant: "one", inputs: {} })
const two = Pipeline.step(counting, { variant: "two", inputs: {} })
const sum = Stage.command({
  name: "sum", command: 'sleep 0.3; cat "$one" "$two" > "$text"',
  inputs: { one: Value, two: Value }, output: { text: Text }, retries: { times: 2, backoff: "100 millis" }
})
export default Pipeline.make({
  name: "killed",
  steps: [Pipeline.step(sum, { inputs: { one: one.out.value, two: two.out.value } })]
})
`
const counting = `import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Artifact, Stage } from "./core/index.ts"
const Counted = Schema.Struct({ counted: Schema.Int, sum: Schema.Int })
export const Value = Artifact.json({ tag: "Value/v1", path: "value.json", schema: Counted })
export const counting = Stage.make({
  name: "counting",
  source: import.meta.url,
  params: Schema.Struct({ parts: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(10))) }),
  inputs: {},
  output: { value: Value },
  retries: { times: 2, backoff: "100 millis" },
  run: ({ params, output, progress, checkpoint }) => Effect.gen(function* () {
    const saved = yield* checkpoint.load
    let [done, sum] = saved === undefined ? [0, 0] : JSON.parse(new TextDecoder().decode(saved))
    for (; done < params.parts; ) {
      yield* progress({ label: "parts", done, total: params.parts, unit: "" })
      yield* Effect.sleep(100)
      sum += done * done
      done++
      if (done % 5 === 0) yield* checkpoint.save(new TextEncoder().encode(JSON.stringify([done, sum])))
    }
    yield* output.value.write({ counted: params.parts, sum })
  })
})
`
const steps = ["counting@one", "counting@two", "sum"]
const kinds = ["submitter", "worker", "daemon", "machine", "controller"] as const
type Kind = (typeof kinds)[number]

/** Numbers from 0 to 1 that are the same in each run of the tests. */
const drawnIn = (round: number): (() => number) => {
  let count = 0
  return () => createHash("sha256").update(`kill ${round} ${count++}`).digest().readUInt32BE() / 2 ** 32
}

/** How long steps take. A few lengths, so that few runs without a cluster are needed. */
const lengths = full ? [8, 15, 25] : [8]
const settingsOf = (parts: number): ReadonlyArray<string> => [
  ...["--set", `counting@one.parts=${parts}`, "--set", `counting@two.parts=${parts + 4}`]
]

interface Expected {
  readonly contents: Readonly<Record<string, string>>
  readonly keys: Readonly<Record<string, string>>
}
/** By length: what a run without a cluster comes to. */
const expected = new Map<number, Expected>()

const call = (place: string, args: ReadonlyArray<string>, onStart?: Parameters<typeof opPipe>[1]["onStart"]) =>
  opPipe([...args, "--store", path.join(place, "store")], {
    cwd: root,
    env: { ...cluster.env, XDG_CONFIG_HOME: base },
    ...(onStart === undefined ? {} : { onStart })
  })
const run = (place: string, args: ReadonlyArray<string>, onStart?: Parameters<typeof opPipe>[1]["onStart"]) =>
  call(place, ["run", "--json", "--outputs", path.join(place, "outputs"), ...args], onStart)

/** Keys of the steps that a run says to have executed. */
const executedIn = ({ stdout }: Finished): Readonly<Record<string, string>> =>
  Object.fromEntries(
    eventsSoFar(stdout).flatMap((event) => (event.type === "StepExecuted" ? [[event.step, event.key]] : []))
  )

const namesIn = (folder: string): ReadonlyArray<string> => (existsSync(folder) ? readdirSync(folder) : [])

/** Processes of the machine, those of nodes too, that work in `place`. */
const processesOf = (place: string, isWorker = false): ReadonlyArray<number> =>
  namesIn("/proc").flatMap((name) => {
    if (!/^\d+$/u.test(name)) return []
    try {
      const line = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0")
      const text = isWorker ? line.join(" ") : `${line.join(" ")} ${readFileSync(`/proc/${name}/environ`, "utf8")}`
      const isOurs = text.includes(`${place}/`) && (!isWorker || line.some((each) => each === "job"))
      return isOurs && !/^State:\s+Z/mu.test(readFileSync(`/proc/${name}/status`, "utf8")) ? [Number(name)] : []
    } catch {
      // it has ended
      return []
    }
  })

/** Notes each outcome that a job writes, until `isOver`: the files are there for a moment. */
const watched = async (place: string, isOver: () => boolean) => {
  const jobs = path.join(place, "store/v1/jobs")
  const done = new Map<string, Set<string>>()
  while (!isOver()) {
    for (const key of namesIn(jobs)) {
      const outcomes = namesIn(path.join(jobs, key)).filter((name) => name.startsWith("outcome-"))
      for (const name of outcomes) {
        try {
          const { type } = JSON.parse(readFileSync(path.join(jobs, key, name), "utf8")) as { type: string }
          if (type === "done") done.set(key, (done.get(key) ?? new Set()).add(name))
        } catch {
          // it was taken in between
        }
      }
    }
    await setTimeout(15)
  }
  return done
}

/** The node that one of the jobs runs on, else any. */
const someNode = (drawn: () => number): number => {
  const any = 1 + Math.floor(drawn() * cluster.nodes)
  try {
    const running = cluster.call("squeue", "-h", "-t", "R", "-o", "%N").split("\n").filter(Boolean)
    return Number(/\d+/u.exec(running[Math.floor(drawn() * running.length)] ?? "")?.[0] ?? any)
  } catch {
    return any
  }
}

/** Kills one of a kind a moment from now, and sets it up again as those who run a cluster would. */
const killOne = async (
  kind: Kind,
  place: string,
  drawn: () => number,
  submitter: (signal: NodeJS.Signals) => void,
  isOver: () => boolean
): Promise<void> => {
  await setTimeout(200 + drawn() * 5000)
  const laterMs = 300 + drawn() * 4000
  if (kind === "submitter") submitter("SIGKILL")
  if (kind === "worker") {
    let workers: ReadonlyArray<number> = []
    while (workers.length === 0 && !isOver()) {
      workers = processesOf(place, true)
      await setTimeout(10)
    }
    const worker = workers[Math.floor(drawn() * workers.length)]
    try {
      if (worker !== undefined) process.kill(worker, "SIGKILL")
    } catch {
      // it has just ended
    }
  }
  if (kind === "daemon" || kind === "machine") {
    const node = someNode(drawn)
    cluster[kind === "daemon" ? "cut" : "lose"](node)
    await setTimeout(laterMs)
    await cluster[kind === "daemon" ? "mend" : "restore"](node)
  }
  if (kind === "controller") {
    await cluster.killController()
    await setTimeout(laterMs)
    await cluster.startController()
  }
  await cluster.ready()
}

/** What a round left over, if that does not pass by itself. */
const leftOver = async (place: string): Promise<ReadonlyArray<string>> => {
  const store = path.join(place, "store/v1")
  const names = (): ReadonlyArray<string> =>
    ["jobs", "work", "leases"].flatMap((folder) => namesIn(path.join(store, folder)).map((name) => `${folder}/${name}`))
  const processes = (): ReadonlyArray<string> => processesOf(place).map((pid) => `process ${pid}`)
  // of a process that is gone: the next collection takes it
  if (names().some((name) => name.startsWith("leases/"))) await call(place, ["cache", "gc"])
  const lives = (name: string): boolean => !name.startsWith("leases/owner-")
  // a controller that was killed has forgotten, too, which jobs have ended, until their nodes tell
  for (let tries = 0; tries < 900 && cluster.active().length + processes().length > 0; tries++) await setTimeout(100)
  return [...names().filter(lives), ...cluster.active(), ...processes()]
}

const round = async (number: number, kind: Kind, parts: number): Promise<void> => {
  const drawn = drawnIn(number)
  const place = path.join(base, `place-${number}`)
  mkdirSync(place)
  const args = ["--on", "quick", ...settingsOf(parts)]
  let isOver = false
  const watching = watched(place, () => isOver)
  let killing: Promise<unknown> = Promise.resolve()
  let isEnded = false
  const runs = [
    await run(place, args, (kill) => {
      killing = killOne(kind, place, drawn, kill, () => isEnded).catch((cause: unknown) => cause)
    })
  ]
  isEnded = true
  expect(await killing, `round ${number}`).toBeUndefined()
  if (kind === "submitter") runs.push(await run(place, args))
  isOver = true
  const done = await watching
  const told = `round ${number}: a ${kind} was killed\n${runs.map(({ stdout, stderr }) => stdout + stderr).join("\n")}`
  expect(runs.at(-1)!.code, told).toBe(0)
  const { contents: files, keys } = expected.get(parts)!
  expect(contents(path.join(place, "outputs")), told).toEqual(files)
  for (const each of runs) expect(keys, told).toMatchObject(executedIn(each))
  // finished once: neither recorded again nor, though nobody took what came of it, done again
  const executed = runs.flatMap((each) => Object.keys(executedIn(each)))
  expect(executed.toSorted(), told).toEqual(Array.from(new Set(executed)).sort())
  for (const [key, outcomes] of done) expect(outcomes.size, `${told}\noutcomes of ${key}`).toBe(1)
  expect(await leftOver(place), told).toEqual([])
}

beforeAll(async () => {
  if (!isPossible) return
  makeProject(root, undefined, { "pipeline.ts": pipeline, "counting.ts": counting })
  const quick = { type: "slurm", seenWithin: "2 seconds" }
  writeFiles(base, { "op-pipe/config.json": JSON.stringify({ executors: { quick } }) })
  cluster = await startCluster(path.join(base, "cluster"), { nodes: 3 })
  for (const parts of lengths) {
    const place = path.join(base, `local-${parts}`)
    const finished = await run(place, settingsOf(parts))
    const keys = executedIn(finished)
    expect(Object.keys(keys).sort(), finished.stdout).toEqual(steps)
    expected.set(parts, { contents: contents(path.join(place, "outputs")), keys })
  }
})
afterAll(() => cluster?.down())

describe.runIf(isPossible)("a kill at any moment", () => {
  it("of one of five: the results are right, nothing is done twice or left over, and no hand is needed", async () => {
    for (const number of series("kills on a cluster", full ? 200 : kinds.length)) {
      // where there are no namespaces to be had, there is no machine to lose
      const kind = kinds[number % kinds.length]!
      if (cluster.nodes === 1 && (kind === "machine" || kind === "daemon")) continue
      await round(number, kind, lengths[Math.floor(number / kinds.length) % lengths.length]!)
    }
  })
})
