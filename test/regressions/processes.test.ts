/**
 * Complaints that only show when there are processes: locks that are left, children that go on, work lost on a kill, schemas that
 * change between two runs, what several seeds come to. Each test is named by the row of the table of complaints and the issues
 * that it answers.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import { events, eventsSoFar, lastEvent, opPipe, runLetters } from "../lib/cli.ts"
import { letterSteps, letterTexts } from "../lib/place.ts"
import { chainModule, makeProject, stageModule, valueModule } from "../lib/project.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"

const flagsOf = (fixture: string): ReadonlyArray<string> => {
  const file = `test/fixtures/${fixture}/pipeline.ts`
  return ["--file", file, "--store", "store", "--outputs", "outputs"]
}

describe("a run that is killed", () => {
  it("10 (dahak-metagenomics/dahak#112, nf#3986, AllenNeuralDynamics/aind-ephys-pipeline#40, targets#1233, smk#1497, LightconeResearch/lightcone-cli#214): is replaced by the one that waits for it, with nothing to unlock", async () => {
    const root = temporaryFolder()
    writeFiles(root, letterTexts)
    const args = [...runLetters(), "--set", "words.waitMs=2500"]
    let killedMs = 0
    let tookOverMs = 0
    let kill: (signal: NodeJS.Signals) => void = () => undefined
    let second: ReturnType<typeof opPipe> | undefined
    const begun = (text: string): boolean => eventsSoFar(text).some((event) => event.type === "StepProgress")
    const startSecond = () =>
      opPipe(args, {
        cwd: root,
        onOutput: (text) => {
          if (killedMs === 0 && text.includes("is running in process")) {
            killedMs = performance.now()
            kill("SIGKILL")
          }
          if (tookOverMs === 0 && begun(text)) tookOverMs = performance.now()
        }
      })
    const first = await opPipe(args, {
      cwd: root,
      onStart: (signal) => {
        kill = signal
      },
      onOutput: (text) => {
        if (begun(text)) second ??= startSecond()
      }
    })
    expect(first.code).toBe(null)
    const finished = await second!
    expect(finished.code, finished.stderr).toBe(0)
    expect(lastEvent(finished)).toMatchObject({ executed: letterSteps, failed: [] })
    expect(tookOverMs - killedMs).toBeLessThan(2000)
    for (const scratch of ["tmp", "work"]) {
      const folder = path.join(root, "store/v1", scratch)
      expect(existsSync(folder) ? readdirSync(folder) : []).toEqual([])
    }
  })

  const epochs = 8
  const step = (state: number, rate: number, epoch: number): number => (31 * state + rate * epoch) % 1_000_003
  const stages = `import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Artifact, Stage } from "./core/index.ts"
const State = Artifact.json({ tag: "State/v1", path: "state.json", schema: Schema.Int })
const step = ${step.toString()}
export const train = Stage.make({
  name: "train",
  source: import.meta.url,
  params: Schema.Struct({ rate: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))) }),
  inputs: {},
  output: { state: State },
  run: ({ params, output, progress, checkpoint }) =>
    Effect.gen(function* () {
      const saved = yield* checkpoint.load
      let { epoch, state } = saved === undefined ? { epoch: 0, state: 0 } : JSON.parse(Buffer.from(saved).toString())
      while (epoch < ${epochs}) {
        epoch++
        state = step(state, params.rate, epoch)
        yield* checkpoint.save(Buffer.from(JSON.stringify({ epoch, state })))
        yield* progress({ label: "epoch " + epoch, done: epoch, total: ${epochs}, unit: "epochs" })
        yield* Effect.sleep(150)
      }
      yield* output.state.write(state)
    })
})
`
  const pipeline = `import { Pipeline } from "./core/index.ts"
import { train } from "./stages.ts"
export default Pipeline.make({ name: "p", steps: [Pipeline.step(train, { inputs: {} })] })
`
  it("30 (dvc#8134, flyte#634, dagster#11790, metaflow#2405): goes on from its last checkpoint, and gives what it would have given", async () => {
    const root = path.join(temporaryFolder(), "project")
    makeProject(root, undefined, { "stages.ts": stages, "pipeline.ts": pipeline })
    const begins = (text: string): ReadonlyArray<string> =>
      eventsSoFar(text).flatMap((event) => (event.type === "StepProgress" ? [event.label] : []))
    const killed = await opPipe(["run", "--json"], {
      cwd: root,
      onOutput: (text, kill) => {
        if (begins(text).includes("epoch 3")) kill("SIGKILL")
      }
    })
    expect(killed.code).toBe(null)
    const checkpoints = path.join(root, ".op-pipe/v1/checkpoints")
    expect(readdirSync(checkpoints)).toHaveLength(1)
    // the same stage with another parameter is another key, and begins at the beginning
    const other = await opPipe(["run", "--json", "--set", "train.rate=2"], { cwd: root })
    expect(begins(other.stdout)[0]).toBe("epoch 1")
    const resumed = await opPipe(["run", "--json"], { cwd: root })
    // a step's time is that of all its pieces
    const [started, executed] = ["StepStarted", "StepExecuted"].map((type) =>
      events(resumed).find((event) => event.type === type)
    ) as unknown as [{ readonly resumedMs: number }, { readonly durationMs: number }]
    expect(started.resumedMs).toBeGreaterThan(0)
    expect(executed.durationMs).toBeGreaterThan(started.resumedMs)
    expect(lastEvent(resumed)).toMatchObject({ executed: ["train"], failed: [] })
    const [first] = begins(resumed.stdout)
    expect(Number(first?.slice(6))).toBeGreaterThan(3)
    let expected = 0
    for (let epoch = 1; epoch <= epochs; epoch++) expected = step(expected, 1, epoch)
    expect(JSON.parse(readFileSync(path.join(root, "outputs/train/state.json"), "utf8"))).toBe(expected)
    expect(readdirSync(checkpoints)).toEqual([])
  })
})

/** Ids of processes whose command line holds `text`. */
const processesWith = (text: string): ReadonlyArray<string> =>
  readdirSync("/proc").filter((id) => {
    if (!/^\d+$/.test(id)) return false
    try {
      return readFileSync(`/proc/${id}/cmdline`, "utf8").includes(text)
    } catch {
      // it has ended meanwhile
      return false
    }
  })

/** Sends a process the signal once a program that it has started sleeps for so many seconds. */
const onceAsleep =
  (seconds: string, signal: NodeJS.Signals) =>
  (kill: (signal: NodeJS.Signals) => void): void => {
    const timer = setInterval(() => {
      if (processesWith(`sleep\0${seconds}`).length === 0) return
      clearInterval(timer)
      kill(signal)
    }, 50)
    timer.unref()
  }

const root = path.join(temporaryFolder(), "project")

describe("a run that is interrupted", () => {
  it.skipIf(!existsSync("/proc/self/cmdline"))(
    "25 (dvc#2272, dvc#4366): stops what its steps have started, and the next run needs nothing",
    async () => {
      const folder = "test/fixtures/commands/texts"
      makeProject(root, "commands", { [`${folder}/a.txt`]: "one two\n", [`${folder}/b.txt`]: "three\n" })
      // so long that it is found among the processes of the machine by its argument alone
      const seconds = `3${process.pid}.25`
      const sleeping = `count@a.command=sleep ${seconds}; echo 1 > "$words"`
      const args = ["run", "--json", ...flagsOf("commands")]
      const finished = await opPipe([...args, "--set", sleeping], { cwd: root, onStart: onceAsleep(seconds, "SIGINT") })
      expect(finished.code, finished.stderr).toBe(130)
      expect(processesWith(seconds)).toEqual([])
      const next = await opPipe(args, { cwd: root })
      expect(next.code, next.stderr).toBe(0)
      expect(lastEvent(next)).toMatchObject({ failed: [], skipped: [] })
      expect(lastEvent(next).executed).toContain("count@a")
      expect(readFileSync(path.join(root, "outputs/sum/report/sum.txt"), "utf8")).toBe("2+1=\n")
    }
  )
})

describe("a command whose run was killed", () => {
  it.skipIf(!existsSync("/proc/self/environ"))(
    "10, 25 (dvc#2272, smk#1497): does not go on beside the next run",
    async () => {
      const folder = "test/fixtures/commands/texts"
      makeProject(root, "commands", { [`${folder}/a.txt`]: "one two\n", [`${folder}/b.txt`]: "three\n" })
      const seconds = `4${process.pid}.25`
      const args = ["run", "--json", "--sandbox", "off", ...flagsOf("commands")]
      const killed = await opPipe([...args, "--set", `count@a.command=sleep ${seconds}; echo 1 > "$words"`], {
        cwd: root,
        onStart: onceAsleep(seconds, "SIGKILL")
      })
      expect(killed.code).toBe(null)
      // it ends with the run that is killed; what does not is ended by the next one
      const next = await opPipe(args, { cwd: root })
      expect(next.code, next.stderr).toBe(0)
      expect(processesWith(seconds)).toEqual([])
      expect(readdirSync(path.join(root, "store/v1/work"))).toEqual([])
    }
  )
})

describe("an artifact's schema", () => {
  const first = (made: string): string => stageModule("first", "{}", `output.value.write(${made})`)
  it("26 (dagster#9847, kedro#5232, flyte#6125): that changes makes what is of the older one a miss, and says why", async () => {
    const root = path.join(temporaryFolder(), "project")
    makeProject(root, undefined, {
      "value.ts": valueModule("Schema.Struct({ count: Schema.Int })"),
      "first.ts": first("{ count: 1 }"),
      "second.ts": stageModule("second", "{ value: Value }", "Effect.flatMap(inputs.value.read, output.value.write)"),
      "pipeline.ts": chainModule("first", "second")
    })
    const run = () => opPipe(["run", "--json"], { cwd: root })
    expect(lastEvent(await run())).toMatchObject({ executed: ["first", "second"], failed: [] })
    writeFileSync(path.join(root, "value.ts"), valueModule("Schema.Struct({ count: Schema.Int, unit: Schema.String })"))
    // the code does not make what the schema asks yet: that is told of the stage that makes it, before anything reads it
    const early = await run()
    expect(early.code).not.toBe(0)
    expect(lastEvent(early)).toMatchObject({ executed: [], cached: [], failed: ["first"], skipped: ["second"] })
    expect(events(early).find((event) => event.type === "StepFailed")?.reason).toContain("unit")
    writeFileSync(path.join(root, "first.ts"), first(`{ count: 1, unit: "words" }`))
    const finished = await run()
    expect(lastEvent(finished)).toMatchObject({ executed: ["first", "second"], failed: [] })
    for (const event of events(finished)) {
      if (event.type === "StepStarted") expect(event.reasons).toContain("code: Value in value.ts changed")
    }
    expect(JSON.parse(readFileSync(path.join(root, "outputs/second/value.json"), "utf8"))).toEqual({
      count: 1,
      unit: "words"
    })
  })
})

describe("many runs in one", () => {
  it("31 (dvc#9147, dvc#4211, dvc#5074, dvc#6783, dvc#7993): of several seeds there is one table, and each seed's results are there for the next", async () => {
    const root = path.join(temporaryFolder(), "project")
    makeProject(root, "seeds", { "texts/a.txt": "a", "texts/b.txt": "b" })
    const args = [...flagsOf("seeds"), "--data", "texts"]
    const run = async (seeds: string) =>
      lastEvent(await opPipe(["run", "--json", ...args, "--seeds", seeds], { cwd: root }))
    expect((await run("3")).executed).toHaveLength(8)
    expect(JSON.parse(readFileSync(path.join(root, "outputs/list/table.json"), "utf8"))).toEqual([10.52, 12.62, 14.72])
    const dag = async (...more: ReadonlyArray<string>) => {
      const drawn = await opPipe(["dag", "--status", "--format", "json", ...args, ...more], { cwd: root })
      const { nodes } = JSON.parse(drawn.stdout) as {
        readonly nodes: ReadonlyArray<{ readonly id: string; readonly kind: string; readonly state: string | null }>
      }
      return Object.fromEntries(nodes.flatMap(({ id, kind, state }) => (kind === "step" ? [[id, state]] : [])))
    }
    // dvc#9287: the drawing knows the state of each step
    expect(await dag("--seeds", "4", "--set", "roll@b.factor=3")).toEqual({
      measure: "fresh",
      "roll@a": "fresh",
      "roll@a#2": "fresh",
      "roll@a#3": "fresh",
      "roll@a#4": "never run",
      "roll@b": "stale",
      "roll@b#2": "stale",
      "roll@b#3": "stale",
      "roll@b#4": "never run",
      list: "pending"
    })
    expect(new Set(Object.values(await dag("--seeds", "3")))).toEqual(new Set(["fresh"]))
    expect((await run("2")).executed).toEqual(["list"])
  })
})
