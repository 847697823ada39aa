/** Steps on a Slurm cluster of three machines, by the command line. */
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs"
import { hostname } from "node:os"
import * as path from "node:path"
import { setTimeout } from "node:timers/promises"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import * as Job from "../../../core/executor/remote/Job.ts"
import { events, eventsSoFar, type Finished, lastEvent, onceUnderWay, opPipe, repository } from "../../lib/cli.ts"
import { makeProject } from "../../lib/project.ts"
import { type Cluster, isPossible, startCluster } from "../../lib/slurmCluster.ts"
import { temporaryFolder, writeFiles } from "../../lib/temporary.ts"

const base = temporaryFolder()
/** One project for all: the start makes a bundle for each. */
const root = path.join(base, "project")
let cluster: Cluster
let count = 0

/** A stage that takes `seconds`, says how far it is and prints lines; and a command that reads what it gives. */
const pipeline = `import { Artifact, Pipeline, Stage } from "./core/index.ts"
import { slow, Value } from "./slow.ts"
const Line = Artifact.file({ tag: "Line/v1", path: "line.txt" })
const first = Pipeline.step(slow, { inputs: {} })
const second = Stage.command({
  name: "second",
  command: 'if [ "$CODE" != 0 ]; then echo "no way" >&2; exit "$CODE"; fi; wc -c < "$value" > "$line"',
  inputs: { value: Value },
  output: { line: Line },
  env: { CODE: "0" }
})
const Data = Artifact.file({ tag: "Data/v1", path: "data.txt" })
const data = Pipeline.source({ name: "data", artifact: Data, path: "data.txt" })
const copy = Stage.command({
  name: "copy", command: 'sleep 3; cat "$data" > "$line"', inputs: { data: Data }, output: { line: Line }
})
export default Pipeline.make({
  name: "afar",
  steps: [
    Pipeline.step(second, { inputs: { value: first.out.value } }),
    Pipeline.step(copy, { inputs: { data: data.port } })
  ]
})
`
/** One that is edited while its job waits. */
const edited = `import { Artifact, Pipeline, Stage } from "./core/index.ts"
const Line = Artifact.file({ tag: "Line/v1", path: "line.txt" })
const line = Stage.command({ name: "line", command: 'echo > "$line"', inputs: {}, output: { line: Line } })
export default Pipeline.make({ name: "edited", steps: [Pipeline.step(line, { inputs: {} })] })
`
/** A pipeline whose step computes with what is another thing on each machine. */
const tooled = `import { hostname } from "node:os"
import { Effect, Schema } from "effect"
import { Pipeline, Toolchain } from "./core/index.ts"
import { compute } from "./compute.ts"
export default Pipeline.make({ name: "tooled", steps: [Pipeline.step(compute, { inputs: {} })] })
`
const compute = `import { hostname } from "node:os"
import { Effect, Schema } from "effect"
import { Artifact, Stage, Toolchain } from "./core/index.ts"
const Value = Artifact.json({ tag: "Value/v1", path: "value.json", schema: Schema.Struct({ n: Schema.Finite }) })
const solver = Toolchain.make({
  name: "solver",
  params: Schema.Struct({}),
  identity: Schema.Struct({ processor: Schema.String, threads: Schema.Int }),
  cores: ({ threads }) => threads,
  identify: (_, { cores }) => Effect.succeed({ processor: hostname(), threads: cores })
})
export const compute = Stage.make({
  name: "compute",
  source: import.meta.url,
  params: Schema.Struct({}),
  inputs: {},
  output: { value: Value },
  toolchain: { solver },
  run: ({ output }) => output.value.write({ n: 1 })
})
`
const slow = `import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Artifact, Stage } from "./core/index.ts"
export const Value = Artifact.json({ tag: "Value/v1", path: "value.json", schema: Schema.Struct({ n: Schema.Finite }) })
export const slow = Stage.make({
  name: "slow",
  source: import.meta.url,
  params: Schema.Struct({ seconds: Schema.Finite.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))) }),
  inputs: {},
  output: { value: Value },
  run: ({ params, output, progress, notice }) => Effect.gen(function* () {
    yield* notice("well begun")
    for (let done = 0; done < params.seconds * 10; done++) {
      yield* progress({ label: "parts", done, total: params.seconds * 10, unit: "" })
      console.log("part", done)
      yield* Effect.sleep(100)
    }
    yield* output.value.write({ n: params.seconds })
  })
})
`

/** A place for the store and the outputs of a test. */
const newPlace = (): string => {
  const place = path.join(base, `place-${++count}`)
  mkdirSync(place)
  return place
}
type More = Partial<Parameters<typeof opPipe>[1]>

const local = (place: string, args: ReadonlyArray<string>, more: More = {}) =>
  opPipe([...args, "--store", path.join(place, "store"), "--outputs", path.join(place, "outputs")], {
    cwd: root,
    ...more,
    env: { ...cluster.env, XDG_CONFIG_HOME: base, ...more.env }
  })
/** As a user's own file has it: an executor that believes soon that a file is not there. */
const quick = { executors: { quick: { type: "slurm", seenWithin: "1 second" } } }
const run = (place: string, args: ReadonlyArray<string> = [], more: More = {}) =>
  local(place, ["run", "--json", "--on", "quick", ...args], more)

/** Ends a run by a signal once its job tells of progress. */
const cutShort = (place: string, args: ReadonlyArray<string>, signal: NodeJS.Signals): Promise<Finished> => {
  let kill: (signal: NodeJS.Signals) => void = () => undefined
  return run(place, args, {
    onStart: (given) => {
      kill = given
    },
    onOutput: onceUnderWay(() => kill(signal))
  })
}

/** What executors or runs left in the store. */
const left = (place: string): ReadonlyArray<string> =>
  ["jobs", "work", "tmp"].flatMap((name) => {
    const folder = path.join(place, "store/v1", name)
    return existsSync(folder) ? readdirSync(folder) : []
  })

/** All jobs that the cluster remembers. */
const submitted = (): number => cluster.call("squeue", "-h", "-t", "all", "-o", "%i").split("\n").length - 1

const failuresOf = (finished: Finished): ReadonlyArray<string> =>
  events(finished).flatMap((event) => (event.type === "StepFailed" ? [event.reason] : []))

const noticesOf = (finished: Finished): ReadonlyArray<string> =>
  eventsSoFar(finished.stdout).flatMap((event) => (event.type === "Notice" ? [event.text] : []))

const until = async (isSo: () => boolean): Promise<void> => {
  for (let tries = 0; tries < 600; tries++) {
    if (isSo()) return
    await setTimeout(50)
  }
  throw new Error("it did not come to that")
}

beforeAll(async () => {
  if (!isPossible) return
  makeProject(root, undefined, {
    ...{ "pipeline.ts": pipeline, "slow.ts": slow, "tooled.ts": tooled, "compute.ts": compute, "edited.ts": edited },
    "data.txt": "as it was\n"
  })
  writeFiles(base, { "op-pipe/config.json": JSON.stringify(quick) })
  cluster = await startCluster(path.join(base, "cluster"), { nodes: 3 })
})
afterAll(() => cluster?.down())

describe.runIf(isPossible)("a run on a cluster", () => {
  it("gives the same keys and outputs as one here, tells progress and notices, and leaves nothing", async () => {
    const [place, here] = [newPlace(), newPlace()]
    const there = await run(place, ["--only", "second"])
    expect(lastEvent(there)).toMatchObject({ executed: ["slow", "second"], failed: [] })
    expect(there.stdout).toContain('"StepProgress"')
    expect(noticesOf(there)).toContain("slow: well begun")
    const locally = await local(here, ["run", "--json", "--only", "second"])
    const keysOf = (finished: Finished) =>
      events(finished).flatMap((event) => (event.type === "StepExecuted" ? [[event.step, event.key]] : []))
    expect(keysOf(there)).toEqual(keysOf(locally))
    for (const file of ["outputs/slow/value.json", "outputs/second/line.txt"])
      expect(readFileSync(path.join(place, file))).toEqual(readFileSync(path.join(here, file)))
    expect(left(place)).toEqual([])
    expect(lastEvent(await run(place, ["--only", "second"]))).toMatchObject({
      executed: [],
      cached: ["slow", "second"]
    })

    // the machine that did the work is on record, and what the step printed is kept
    const shown = await local(place, ["show", "last", "--json"])
    const { steps } = JSON.parse(shown.stdout) as {
      steps: ReadonlyArray<{ provenance: { host: string; durationMs: number } }>
    }
    for (const { provenance } of steps) expect(provenance.host).toMatch(cluster.nodes > 1 ? /^n[123]$/u : /./u)
    expect(steps[0]?.provenance.durationMs).toBeGreaterThan(1000)
    expect((await local(place, ["logs", "slow"])).stdout).toContain("part 9")
  })

  it("a step that fails there fails here, with what it printed", async () => {
    const place = newPlace()
    const finished = await run(place, ["--only", "second", "--set", "second.env.CODE=3", "--set", "slow.seconds=0.1"])
    expect(finished.code).toBe(1)
    expect(failuresOf(finished)[0]).toMatch(/ended with exit code 3.*no way/su)
    expect(left(place)).toEqual([])
  })

  it("Ctrl-C ends the job, too", async () => {
    const place = newPlace()
    const finished = await cutShort(place, ["--only", "slow", "--set", "slow.seconds=60"], "SIGINT")
    expect(finished.code).toBe(130)
    expect(cluster.active()).toEqual([])
    expect(left(place)).toEqual([])
  })

  it.each([
    ["killed", "SIGKILL", []],
    ["ended, with --detach", "SIGINT", ["--detach"]]
  ] as const)("a run that is %s leaves its job, and the next one waits for that", async (_, signal, args) => {
    const place = newPlace()
    const asked = ["--set", "slow.seconds=3", "--only", "slow", ...args]
    await cutShort(place, asked, signal)
    expect(cluster.active().length).toBe(1)
    const before = submitted()
    const finished = await run(place, asked)
    expect(lastEvent(finished)).toMatchObject({ executed: ["slow"] })
    expect(submitted()).toBe(before)
    expect(noticesOf(finished).join()).toContain("which an earlier run submitted")
    expect((await local(place, ["logs", "slow"])).stdout).toContain("part 29")
    expect(left(place)).toEqual([])
  })

  it("takes the outcome of a job that has ended meanwhile, without another job", async () => {
    const place = newPlace()
    const asked = ["--only", "slow", "--set", "slow.seconds=3"]
    await cutShort(place, asked, "SIGKILL")
    await until(() => cluster.active().length === 0)
    const before = submitted()
    expect(lastEvent(await run(place, asked))).toMatchObject({ executed: ["slow"] })
    expect(submitted()).toBe(before)
    expect(left(place)).toEqual([])
  })
})

/** Waits until the job of a place goes on, and gives what the store holds of it. */
const jobOf = async (place: string) => {
  const folder = path.join(place, "store/v1/jobs")
  const named = () => (existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: "utf8" }) : [])
  await until(() => named().some((name) => path.basename(name).startsWith("id-")) && cluster.active().length > 0)
  const name = named().find((each) => path.basename(each).startsWith("id-"))!
  return { folder: path.join(folder, path.dirname(name)), token: path.basename(name).slice("id-".length) }
}

describe.runIf(isPossible)("what changes while a job goes on", () => {
  afterEach(() => writeFiles(root, { "data.txt": "as it was\n" }))

  it("a source that is edited: the result is discarded", async () => {
    const place = newPlace()
    const running = run(place, ["--only", "copy"])
    await jobOf(place)
    writeFiles(root, { "data.txt": "as it is now\n" })
    const finished = await running
    expect(finished.code).toBe(1)
    expect(failuresOf(finished)[0]).toMatch(/data changed while the step ran, so its result was discarded/u)
    expect(left(place)).toEqual([])
  })

  it("a source that is edited and set back: a later run does not wait for a job that may have read it in between", async () => {
    const place = newPlace()
    let kill: (signal: NodeJS.Signals) => void = () => undefined
    const running = run(place, ["--only", "copy"], {
      onStart: (given) => {
        kill = given
      }
    })
    await jobOf(place)
    kill("SIGKILL")
    await running
    writeFiles(root, { "data.txt": "as it is now\n" })
    await setTimeout(20)
    writeFiles(root, { "data.txt": "as it was\n" })
    const before = submitted()
    const again = await run(place, ["--only", "copy"])
    expect(lastEvent(again)).toMatchObject({ executed: ["copy"] })
    expect(submitted()).toBe(before + 1)
    expect(readFileSync(path.join(place, "outputs/copy/line.txt"), "utf8")).toBe("as it was\n")
  })

  it("what a machine writes that was given up for lost belongs to no later job", async () => {
    const place = newPlace()
    const asked = ["--only", "slow", "--set", "slow.seconds=3"]
    await cutShort(place, asked, "SIGKILL")
    const { folder, token } = await jobOf(place)
    cluster.call("scancel", ...cluster.active().map((line) => line.split(" ")[0]!))
    await until(() => cluster.active().length === 0)
    // as if it had gone on
    const zombie = {
      type: "done",
      host: "n9",
      node: "22",
      startedMs: 1,
      durationMs: 1,
      loaded: null,
      sealed: true,
      outputs: {}
    }
    const running = run(place, asked)
    await until(() => cluster.active().length > 0)
    writeFiles(folder, { [Job.files.outcome(token)]: JSON.stringify(zombie) })
    const finished = await running
    expect(lastEvent(finished)).toMatchObject({ executed: ["slow"] })
    expect(readFileSync(path.join(place, "outputs/slow/value.json"), "utf8")).toContain("3")
  })
})

describe.runIf(isPossible)("what is done about what was left", () => {
  const setNodes = (state: "drain" | "resume") =>
    cluster.call("scontrol", "update", "nodename=ALL", `state=${state}`, "reason=test")

  it("a pipeline that is edited while its job waits: what the edit declares is not recorded for the key of before", async () => {
    const place = newPlace()
    setNodes("drain")
    const running = run(place, ["--file", path.join(root, "edited.ts")])
    await jobOf(place)
    writeFiles(root, { "edited.ts": edited.replace("Line/v1", "Line/v2") })
    setNodes("resume")
    const finished = await running
    expect(finished.code).toBe(2)
    expect(failuresOf(finished)[0]).toMatch(
      /its output line is declared otherwise\. It was edited meanwhile: run again/u
    )
    const again = await run(place, ["--file", path.join(root, "edited.ts")])
    expect(lastEvent(again)).toMatchObject({ executed: ["line"] })
  })

  it("a job that has failed meanwhile is begun again, and not reported for what it was", async () => {
    const place = newPlace()
    const asked = ["--only", "second", "--set", "second.env.CODE=3", "--set", "slow.seconds=0.1"]
    await run(place, ["--only", "slow", "--set", "slow.seconds=0.1"])
    setNodes("drain")
    let kill: (signal: NodeJS.Signals) => void = () => undefined
    const killed = run(place, asked, {
      onStart: (given) => {
        kill = given
      }
    })
    await jobOf(place)
    kill("SIGKILL")
    await killed
    setNodes("resume")
    await until(() => cluster.active().length === 0)
    const before = submitted()
    const finished = await run(place, asked)
    expect(failuresOf(finished)[0]).toMatch(/exit code 3/u)
    expect(submitted()).toBe(before + 1)
  })
})

describe.runIf(isPossible)("a sweep on a cluster", () => {
  it("has its settings done side by side", async () => {
    const place = newPlace()
    const before = submitted()
    const args = ["sweep", "--on", "quick", "--only", "slow", "--set", "slow.seconds=1.1,1.2,1.3", "--json"]
    const { code, stdout } = await local(place, args)
    expect(code, stdout).toBe(0)
    expect(stdout.match(/"SettingFinished"/gu)?.length).toBe(3)
    expect(submitted() - before).toBe(3)
    expect(left(place)).toEqual([])
  })
})

describe.runIf(isPossible)("op-pipe jobs", () => {
  it("lists the steps that a cluster does, and ends those that are asked for; their run is told", async () => {
    const place = newPlace()
    const running = run(place, ["--only", "slow", "--set", "slow.seconds=60"])
    await jobOf(place)
    const listed = JSON.parse((await local(place, ["jobs", "--json"])).stdout) as { jobs: ReadonlyArray<object> }
    expect(listed.jobs).toMatchObject([{ step: "slow", id: expect.stringMatching(/^\d+$/u) }])
    expect((await local(place, ["jobs"])).stdout).toMatch(/^slow {2}(PENDING|RUNNING).*, job \d+, 0 min ago\n$/u)
    const other = await local(place, ["jobs", "cancel", "second"])
    expect([other.code, other.stderr]).toEqual([2, expect.stringContaining("one of the steps with jobs slow")])
    expect((await local(place, ["jobs", "cancel", "slow"])).stdout).toMatch(/^slow: job \d+ has ended\n$/u)
    expect(cluster.active()).toEqual([])
    const finished = await running
    expect([finished.code, failuresOf(finished)]).toEqual([
      1,
      [expect.stringContaining("cancelled, and not by this run")]
    ])
    expect((await local(place, ["jobs"])).stdout).toContain("No step of this pipeline is done by a cluster now.")
  })

  it("doctor tells of the cluster", async () => {
    const { stdout } = await local(newPlace(), ["doctor"])
    expect(stdout).toMatch(new RegExp(`✓ run --on quick {2}Slurm \\S+: ${cluster.nodes} × 2 processors, 2 GiB`, "u"))
    expect(stdout).toMatch(/- run --on srun {2}not in an allocation\n {4}Get one: `salloc/u)
  })
})

describe.runIf(isPossible)("what a cluster cannot do", () => {
  it("a machine that is not as the key says does nothing, and says what differs", async () => {
    const place = newPlace()
    const finished = await run(place, ["--file", path.join(root, "tooled.ts")])
    if (cluster.nodes === 1) return
    expect(finished.code).toBe(2)
    expect(failuresOf(finished)[0]).toMatch(
      new RegExp(`expected on n\\d solver processor to be ${hostname()}, but it is n\\d\\. .*constraint`, "u")
    )
    expect(existsSync(path.join(place, "store/v1/results"))).toBe(false)
    expect(left(place)).toEqual([])
  })

  it("a request that it refuses is the user's to mend", async () => {
    const place = newPlace()
    const config = { executors: { big: { type: "slurm", steps: { "*": { memory: "900 GiB" } } } } }
    writeFiles(place, { "op-pipe/config.json": JSON.stringify(config) })
    const finished = await local(place, ["run", "--json", "--on", "big"], { env: { XDG_CONFIG_HOME: place } })
    expect(finished.code).toBe(2)
    expect(failuresOf(finished)[0]).toMatch(/expected the cluster to take its job, but it refused: .*op-pipe\.json/su)
    expect(left(place)).toEqual([])
  })

  it("without Slurm's programs --on is a usage error with a next step", async () => {
    const finished = await local(newPlace(), ["run", "--on", "slurm"], {
      env: { PATH: path.dirname(process.execPath) }
    })
    expect(finished.code).toBe(2)
    expect(finished.stderr).toMatch(/expected Slurm's programs on PATH.*login node/su)
  })

  it("a name that is none is one, too, as are srun outside of an allocation, and --detach without a cluster", async () => {
    const place = newPlace()
    const refused = async (...args: ReadonlyArray<string>): Promise<string> => {
      const { code, stderr } = await local(place, ["run", ...args])
      expect(code).toBe(2)
      return stderr
    }
    expect(await refused("--on", "hcp")).toContain("one of the executors local, slurm, srun, quick")
    expect(await refused("--on", "srun")).toMatch(/allocation.*salloc/su)
    expect(await refused("--detach")).toMatch(/expected steps to be done on a cluster.*--on NAME/su)
  })
})

describe.runIf(isPossible)("steps of an allocation", () => {
  it("are done by srun, each as a step of the one job", async () => {
    const place = newPlace()
    const program = `${process.execPath} ${repository}/bin/op-pipe.cjs run --json --only second --on srun`
    const places = `--store ${place}/store --outputs ${place}/outputs`
    const stdout = cluster.call("sh", "-c", `cd ${root} && salloc -Q --ntasks=4 ${program} ${places}`)
    expect(lastEvent({ code: 0, stdout, stderr: "" })).toMatchObject({ executed: ["slow", "second"], failed: [] })
    expect(left(place)).toEqual([])
  })
})
