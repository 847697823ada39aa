/**
 * Random edits of random worlds, against an oracle. After each edit a run gives, bit for bit, what a clean run would give;
 * executes exactly the steps whose ingredients were never seen before (early cutoff included); and names the edited thing
 * as the reason of a step that the edit touches directly. Between edit and run there is at times a run of one step alone, one in which a
 * step fails, or one with a file changed and put back meanwhile; and a step may be forced.
 *
 * Most sequences do what the stages' modules would do from the model: what is tested is when they run and not what they
 * compute. The others execute the modules as they are on disk, in the processes and from the bundles that users have.
 */
import { readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { setTimeout } from "node:timers/promises"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { describe, expect, it, vi } from "vitest"
import { Executor, StepError } from "../../core/executor/Executor.ts"
import * as ProcessExecutor from "../../core/executor/ProcessExecutor.ts"
import type { Mode } from "../../core/executor/Sandbox.ts"
import type { RunEvent } from "../../core/run/RunEvent.ts"
import * as Random from "../../stages/lib/Random.ts"
import { repository } from "../lib/cli.ts"
import { placeIn } from "../lib/place.ts"
import { type Options, type Ran, run } from "../lib/runs.ts"
import { memory, temporaryFolder } from "../lib/temporary.ts"
import { full, series, timeoutMs } from "./series.ts"
import { makeWorld, programFolder, project, type World } from "./World.ts"
import type { Edit, MakeEdit } from "./worldEdit.ts"
import { ofAll, ofModules } from "./worldEdits.ts"
import { write } from "./worldFiles.ts"
import { pipelineOf, variables } from "./worldPipeline.ts"
import { expected, type Oracle } from "./worldValues.ts"

/** PATH as it was. */
const searched = process.env["PATH"]

/** Does from the model what the stages' modules would do. */
const modelled = (oracle: Oracle): Layer.Layer<Executor> =>
  Layer.succeed(Executor, {
    execute: (task) =>
      Effect.sync(() => {
        const { fine, coarse } = oracle.get(task.step)!
        writeFileSync(path.join(task.outputDir, "fine.json"), fine)
        writeFileSync(path.join(task.outputDir, "coarse.json"), coarse)
        return { loaded: undefined }
      })
  })

/** What a run made before, by its ingredients: `kept` is in the store, of `doubtful` that is not known. */
interface Seen {
  readonly kept: Set<string>
  readonly doubtful: Set<string>
}

const lose = ({ kept, doubtful }: Seen, lost: Edit["lost"]): void => {
  if (lost === undefined) return
  if (lost === "some blobs") for (const each of kept) doubtful.add(each)
  else doubtful.clear()
  kept.clear()
}

/** What happens in a run besides. */
interface Course {
  readonly only?: string
  readonly forced?: string
  /** A step that fails, if it is executed. */
  readonly failing?: string
  /** A file is changed while steps are executed, and put back. */
  readonly disturbed?: boolean
  /** While steps are executed, a tool writes beside their inputs, where that does not count. */
  readonly littered?: boolean
}

/** Has one sequence go on at a time, since they share the process's environment; while files of one age, it is another's turn. */
class Turns {
  private last: Promise<void> = Promise.resolve()
  private end = (): void => undefined

  async take(): Promise<void> {
    const { last } = this
    const { promise, resolve } = Promise.withResolvers<void>()
    this.last = promise
    await last
    this.end = resolve
  }

  give(): void {
    this.end()
  }

  async giveWay(meanwhile: () => Promise<unknown>): Promise<void> {
    this.give()
    await meanwhile()
    await this.take()
  }
}

interface Setting {
  readonly random: Random.Random
  readonly isReal: boolean
  readonly turns: Turns
  readonly place: SequencePlace
}

class Sequence {
  readonly world: World
  /** Of the world as it is now; to ask it takes longer than many a run. */
  private oracle: Oracle
  readonly random: Random.Random
  private root: string
  private readonly isReal: boolean
  private readonly sandbox: Mode
  private readonly turns: Turns
  private readonly place: SequencePlace
  private readonly written = new Map<string, string>()
  private readonly seen: Seen = { kept: new Set(), doubtful: new Set() }
  private readonly earlier: Array<World> = []
  private readonly makeEdit: MakeEdit
  where = ""

  constructor(root: string, { random, isReal, turns, place }: Setting) {
    this.root = root
    this.place = place
    this.random = random
    this.isReal = isReal
    this.turns = turns
    // without walls, these stages read nothing else either
    this.sandbox = random.int(3) === 0 ? "off" : "auto"
    this.world = makeWorld(random)
    this.oracle = expected(this.world)
    this.makeEdit = isReal ? ofModules(random) : ofAll(random)
    this.earlier.push(structuredClone(this.world))
    this.write()
  }

  private write(): void {
    this.setEnvironment()
    write(this.world, this.root, this.written, this.isReal ? repository : undefined)
  }

  private setEnvironment(): void {
    const { asked, stray } = this.world.environment
    const PATH = [path.join(this.root, programFolder), searched].join(path.delimiter)
    const OP_PIPE_TRUST_STAT = this.place === "memory, believed" ? "1" : ""
    Object.assign(process.env, { [variables.asked]: asked, [variables.stray]: stray, PATH, OP_PIPE_TRUST_STAT })
  }

  private get data(): string {
    return path.join(this.root, this.world.dataFolder)
  }

  private get litter(): string {
    return path.join(this.data, "__pycache__/m.pyc")
  }

  /** Has the whole project lie in another folder. */
  private move(serial: number): void {
    const folder = path.dirname(this.root).replace(/(?:-\d+)?$/u, `-${serial}`)
    renameSync(path.dirname(this.root), folder)
    this.root = path.join(folder, project)
  }

  /** Changes a file of the data while a step is executed, which takes it for what it says, and puts it back. */
  private disturb(outputDir: string): void {
    const file = path.join(this.data, "a.txt")
    const { atime, mtime } = statSync(file)
    const content = readFileSync(file)
    writeFileSync(file, "disturbed")
    writeFileSync(path.join(outputDir, "fine.json"), JSON.stringify({ value: "disturbed", by: "disturbed" }))
    writeFileSync(file, content)
    utimesSync(file, atime, mtime)
  }

  private async run(course: Course, executed: Array<string>): Promise<Ran> {
    const { failing, disturbed, littered, only, forced } = course
    const { world } = this
    const watched = Layer.effect(
      Executor,
      Effect.map(Executor, (inner) => ({
        execute: (task, onProgress, check) => {
          executed.push(task.step)
          if (task.step === failing) {
            return Effect.fail(new StepError({ step: task.step, fault: "stage", reason: "told to", log: null }))
          }
          const isDisturbed = disturbed === true && world.stages[Number(task.step.slice(1))]!.readsSource
          return inner
            .execute(task, onProgress, check)
            .pipe(Effect.tap(() => Effect.sync(() => isDisturbed && this.disturb(task.outputDir))))
            .pipe(Effect.tap(() => Effect.sync(() => littered && writeFileSync(this.litter, task.step))))
        }
      }))
    )
    const executor = Layer.provide(watched, this.isReal ? ProcessExecutor.layer : modelled(this.oracle))
    const options: Options = {
      executor,
      sandbox: this.sandbox,
      only: only === undefined ? [] : [only],
      forced: forced === undefined ? [] : [forced]
    }
    const exit = await run(pipelineOf(world, this.root), placeIn(this.root, this.data), options)
    if (Exit.isFailure(exit)) throw new Error(`${this.where}: ${JSON.stringify(exit.cause)}`)
    return exit.value
  }

  /** The step and those that it needs. */
  private leadingTo(step: string): ReadonlySet<string> {
    const inputs = this.world.stages[Number(step.slice(1))]!.inputs
    return new Set([step, ...inputs.flatMap(({ stage }) => Array.from(this.leadingTo(`s${stage}`)))])
  }

  /** A run in which something goes wrong: what it executed well may be in the store, or not. */
  private async runBadly(course: Course): Promise<void> {
    const executed: Array<string> = []
    const { oracle } = this
    const { summary } = await this.run(course, executed)
    const failed = new Set(summary.failures.map(({ step }) => step))
    const toFail = executed.filter(
      (step) => step === course.failing || (course.disturbed && this.world.stages[Number(step.slice(1))]!.readsSource)
    )
    expect(failed.size > 0, this.where).toBe(toFail.length > 0)
    for (const step of executed) {
      const { ingredients } = oracle.get(step)!
      if (!toFail.includes(step) && !this.seen.kept.has(ingredients)) this.seen.doubtful.add(ingredients)
    }
  }

  private async check(
    { only, forced, littered }: Course,
    touched: ReadonlyArray<string>,
    named: string | undefined
  ): Promise<void> {
    const { oracle, seen, where, root } = this
    const executed: Array<string> = []
    const { events, summary } = await this.run(
      { ...(only && { only }), ...(forced && { forced }), ...(littered && { littered }) },
      executed
    )
    expect(summary.failures, where).toEqual([])
    const wanted = only === undefined ? undefined : this.leadingTo(only)
    const needed: Array<string> = []
    // Blobs are shared by steps, so which of them lost one is the store's to say; that none is served wrong is seen here.
    const perhaps = new Set<string>()
    for (const [step, { ingredients, fine, coarse }] of oracle) {
      if (wanted?.has(step) === false) continue
      // Results are kept: going back to an earlier state is a hit.
      if (seen.doubtful.delete(ingredients)) perhaps.add(step)
      else if (!seen.kept.has(ingredients) || step === forced) needed.push(step)
      seen.kept.add(ingredients)
      const folder = path.join(root, "outputs", step)
      expect(readFileSync(path.join(folder, "fine.json"), "utf8"), where).toBe(fine)
      expect(readFileSync(path.join(folder, "coarse.json"), "utf8"), where).toBe(coarse)
      const kinds = readdirSync(folder, { withFileTypes: true }).map((each) => each.isFile() && each.name)
      expect(kinds.sort(), where).toEqual(["coarse.json", "fine.json"])
    }
    expect(executed.filter((step) => !perhaps.has(step)).sort(), where).toEqual(
      needed.filter((step) => !perhaps.has(step)).sort()
    )
    expect(new Set(executed).size, where).toBe(executed.length)
    for (const step of touched.filter((each) => needed.includes(each) && each !== forced && named !== undefined)) {
      const started = events.find(
        (event): event is Extract<RunEvent, { type: "StepStarted" }> =>
          event.type === "StepStarted" && event.step === step
      )
      expect(started?.reasons.join("; "), where).toContain(named)
    }
  }

  async begin(): Promise<void> {
    await this.check({}, [], undefined)
  }

  async edit(serial: number): Promise<void> {
    const { world, random, root, earlier } = this
    const step = `s${random.int(world.stages.length)}`
    const before = this.oracle
    const made = this.makeEdit({ world, root, random, serial, earlier })
    this.oracle = expected(world)
    this.where += `${serial}: ${made.what}`
    if (made.moved) this.move(serial)
    this.write()
    made.after?.()
    lose(this.seen, made.lost)
    // at times so old that what is remembered of files and code is trusted, and that bundles are kept
    if (random.int(this.isReal ? 2 : 6) === 0) {
      await this.turns.giveWay(() => setTimeout(70))
      this.setEnvironment()
    }
    const course = random.int(24)
    if (course === 0) await this.check({ only: step }, [], undefined)
    if (course === 1) await this.runBadly({ failing: step })
    if (course === 2) await this.runBadly({ disturbed: true })
    const touched = Array.from(this.oracle.keys()).filter((id) => this.oracle.get(id)!.own !== before.get(id)!.own)
    const besides = course === 3 ? { forced: step } : course < 8 ? { littered: true } : {}
    await this.check(besides, course < 3 ? [] : touched, made.named)
  }

  get executions(): number {
    return this.seen.kept.size
  }

  end(): void {
    rmSync(path.dirname(this.root), { recursive: true, force: true })
  }
}

/**
 * Where a sequence lies. In memory none waits for a disk, but the times of files there are not believed, since a write through a
 * mapping does not change them. Here nothing is mapped, so they are, but for some sequences that ask what is done without.
 */
type SequencePlace = "disk" | "memory, believed" | "memory"

const placeOf = (random: Random.Random): SequencePlace => {
  const drawn = random.int(10)
  return drawn === 0 ? "disk" : drawn === 1 ? "memory" : "memory, believed"
}

/** Sequences at a time. */
const atOnce = 4

const runSequences = async (what: string, count: number, edits: number, isReal: boolean): Promise<void> => {
  const folders = { disk: temporaryFolder(), memory: temporaryFolder(memory) }
  vi.stubEnv("OP_PIPE_CACHE_DIR", path.join(folders.disk, "cache"))
  // where there is no repository, git is not asked, which would take longer than all the rest
  vi.spyOn(process, "cwd").mockReturnValue(folders.disk)
  let executions = 0
  let worlds = 0
  const numbers = series(what, count)
  const turns = new Turns()
  const runNext = async (): Promise<void> => {
    await turns.take()
    for (const number of numbers) {
      const random = Random.make(number, what)
      const place = isReal ? "disk" : placeOf(random)
      const base = place === "disk" ? folders.disk : folders.memory
      const sequence = new Sequence(path.join(base, String(number), project), { random, isReal, turns, place })
      sequence.where = `${what} ${number}, `
      await sequence.begin()
      for (let serial = 1; serial <= edits; serial++) await sequence.edit(serial)
      executions += sequence.executions
      worlds += 1
      sequence.end()
    }
    turns.give()
  }
  await Promise.all(Array.from({ length: atOnce }, runNext))
  expect(executions).toBeGreaterThan(worlds)
}

describe("random edits are never served stale, and nothing runs that need not", () => {
  const sequences = full ? 10_000 : 40
  it(`as modelled (${sequences} sequences)`, () => runSequences("sequence of edits", sequences, 6, false), timeoutMs)

  const executedSequences = full ? 60 : 2
  it(
    `executed (${executedSequences} sequences)`,
    () => runSequences("sequence of executed edits", executedSequences, full ? 40 : 15, true),
    timeoutMs
  )
})
