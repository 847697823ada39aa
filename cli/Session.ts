/** Session: from flags to a prepared pipeline, the same for every verb that looks at one. */

import { existsSync } from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { CodeIdentity } from "../cache/code/CodeIdentity.ts"
import { few } from "../cache/identity/Shown.ts"
import { Disk } from "../cache/store/Disk.ts"
import * as Gc from "../cache/store/Gc.ts"
import type { StepResult } from "../cache/store/ResultStore.ts"
import { Store } from "../cache/store/Store.ts"
import * as Pipeline from "../core/pipeline/Pipeline.ts"
import type { Selection } from "../core/pipeline/Selection.ts"
import * as OutputFolder from "../core/plan/OutputFolder.ts"
import * as Plan from "../core/plan/Plan.ts"
import type { Prepared } from "../core/plan/Prepared.ts"
import * as Settings from "../core/plan/Settings.ts"
import { unknownName } from "../core/plan/SettingsError.ts"
import * as RunLog from "../core/run/RunLog.ts"
import { wanted } from "../core/run/Wanted.ts"
import { formatBytes } from "./Console.ts"
import { UsageError } from "./Failure.ts"
import * as Project from "./Project.ts"

export interface SettingsFlags {
  readonly profile: string | undefined
  readonly set: ReadonlyArray<string>
  readonly seed: number | undefined
  readonly seeds: number | undefined
  readonly data: ReadonlyArray<string>
  /** Assignments by flags of the pipeline's own. */
  readonly shorthand: Readonly<Record<string, string | undefined>>
}

export type SessionFlags = Project.ProjectFlags & SettingsFlags

const sourcePaths = Effect.fnUntraced(function* (project: Project.Project, data: ReadonlyArray<string>) {
  const paths: Record<string, string> = {}
  const names = project.pipeline.sources.map((source) => source.name)
  for (const given of data) {
    const named = names.find((name) => given.startsWith(`${name}=`))
    const name = named ?? names[0]
    if (name === undefined)
      return yield* new UsageError({ message: `--data ${given}: the pipeline ${project.pipeline.name} reads no data` })
    const misnamed = named === undefined && !existsSync(given) ? /^([\w.-]+)=/u.exec(given)?.[1] : undefined
    if (misnamed !== undefined) return yield* unknownName(`--data ${given}`, "sources", names, misnamed)
    paths[name] = named === undefined ? given : given.slice(named.length + 1)
  }
  return paths
})

/** The project with as many seeds as are asked for. */
const openSeeded = Effect.fnUntraced(function* (flags: SessionFlags) {
  const opened = yield* Project.open(flags)
  const seeds = flags.seeds ?? Pipeline.seedsOf(opened.pipeline, flags.profile)
  return { ...opened, pipeline: Pipeline.overSeeds(opened.pipeline, seeds) }
})

/** The project alone, without a look at its data. */
export const openSettled = Effect.fnUntraced(function* (flags: SessionFlags) {
  const project = yield* openSeeded(flags)
  const short = Object.values(flags.shorthand).filter((each) => each !== undefined)
  const set = [...short, ...flags.set]
  const settings = yield* Settings.resolve(project.pipeline, { profile: flags.profile, seed: flags.seed, set })
  return { project, settings }
})

/** What was asked for besides the profile and the seeds, as a run notes it and `recalled` takes it again. */
export const askedOf = Effect.fnUntraced(function* (project: Project.Project, flags: SessionFlags) {
  const paths = yield* sourcePaths(project, flags.data)
  const short = Object.values(flags.shorthand).filter((each) => each !== undefined)
  const data = Object.entries(paths).map(([name, at]) => `${name}=${path.resolve(at)}`)
  return { set: [...short, ...flags.set], data }
})

/** How the settings of a run differ from those of the pipeline, as flags. */
const flagsOf = ({ profile, seed, seeds, asked }: RunLog.RunRecord, pipeline: Pipeline.Pipeline): string =>
  [
    ...(profile === (pipeline.defaultProfile ?? null) ? [] : [`--profile ${profile}`]),
    ...(seed === pipeline.seed ? [] : [`--seed ${seed}`]),
    ...(seeds === Pipeline.seedsOf(pipeline, profile ?? undefined) ? [] : [`--seeds ${seeds}`]),
    ...asked.set.map((each) => `--set ${each}`),
    ...asked.data.map((each) => `--data ${each}`)
  ].join(" ")

/**
 * The flags of a question: its own or, if it has none, those of the last run, as a step that was run with a profile is not
 * stale because the question does not name it again. `notify` is told of them.
 */
export const recalled = Effect.fnUntraced(function* <F extends SessionFlags>(flags: F, notify: (line: string) => void) {
  const own = [flags.profile, flags.seed, flags.seeds, ...flags.set, ...flags.data, ...Object.values(flags.shorthand)]
  if (own.some((each) => each !== undefined)) return flags
  const { pipeline, run } = yield* withStore(flags, ({ pipeline }) =>
    Effect.map(RunLog.latest, (run) => ({ pipeline, run: Option.getOrUndefined(run) }))
  )
  const text = run === undefined ? "" : flagsOf(run, pipeline)
  if (run === undefined || text === "") return flags
  const { profile, seed, seeds, asked } = run
  const then: F = { ...flags, profile: profile ?? undefined, seed, seeds, ...asked }
  // the pipeline may have changed since
  if (!(yield* Effect.isSuccess(openSettled(then)))) return flags
  notify(`as in the last run: ${text}`)
  return then
})

/** Whether a question is asked, which makes neither the store nor anything else. */
interface Purpose {
  readonly mayMake?: boolean
  /** The steps that are asked for: what others are made from is not looked at. */
  readonly selection?: Selection
  /** Whether steps go on, or are told of, that do not read what is missing. */
  readonly keepGoing?: boolean
}

const storeOf = ({ pipeline, storeDir }: Project.Project, { mayMake = false }: Purpose) =>
  CodeIdentity.layerIn(storeDir, { pipeline: pipeline.name, mayMake }).pipe(Layer.provideMerge(Disk.layer))

/** The plan of a project with these settings. */
const prepare = Effect.fnUntraced(function* (
  project: Project.Project,
  settings: Settings.Settings,
  data: ReadonlyArray<string>,
  notify: (line: string) => void,
  { selection, keepGoing = false }: Purpose
) {
  const { pipeline, cores, dataDir, outputsDir, root } = project
  const paths = yield* sourcePaths(project, data)
  const steps = selection === undefined ? pipeline.steps : (yield* wanted(pipeline, { force: [], ...selection })).steps
  return yield* Plan.prepare({
    pipeline,
    steps,
    settings,
    sourcePaths: paths,
    root,
    dataDir,
    outputsDir,
    cores,
    keepGoing,
    notify
  })
})

/** Runs `use` with the project's pipeline prepared and its store open. */
export const withPrepared = <A, E, R>(
  flags: SessionFlags,
  notify: (line: string) => void,
  use: (prepared: Prepared, project: Project.Project) => Effect.Effect<A, E, R>,
  purpose: Purpose = {}
) =>
  Effect.gen(function* () {
    const { project, settings } = yield* openSettled(flags)
    const prepared = Effect.flatMap(prepare(project, settings, flags.data, notify, purpose), (plan) =>
      use(plan, project)
    )
    return yield* Effect.provide(prepared, storeOf(project, purpose))
  })

/** A plan, and the assignments that it was settled with. */
export interface Planned {
  readonly prepared: Prepared
  readonly set: ReadonlyArray<string>
}

/** The same with a plan for each of several lists of assignments; all are settled before anything is looked at. */
export const withEachPrepared = <A, E, R, E2, R2>(
  flags: SessionFlags,
  notify: (line: string) => void,
  assignmentsOf: (project: Project.Project) => Effect.Effect<ReadonlyArray<ReadonlyArray<string>>, E2, R2>,
  use: (plans: ReadonlyArray<Planned>, project: Project.Project) => Effect.Effect<A, E, R>,
  purpose: Purpose = {}
) =>
  Effect.gen(function* () {
    const project = yield* openSeeded(flags)
    const short = Object.values(flags.shorthand).filter((each) => each !== undefined)
    const sets = (yield* assignmentsOf(project)).map((set) => [...short, ...set])
    const { profile, seed, data } = flags
    const settled = yield* Effect.forEach(sets, (set) =>
      Effect.map(Settings.resolve(project.pipeline, { profile, seed, set }), (settings) => ({ set, settings }))
    )
    const told = new Set<string>()
    const notifyOnce = (line: string): void => {
      if (!told.has(line)) notify(line)
      told.add(line)
    }
    const plans = Effect.forEach(settled, ({ set, settings }) =>
      Effect.map(prepare(project, settings, data, notifyOnce, purpose), (prepared): Planned => ({ prepared, set }))
    )
    const used = Effect.flatMap(plans, (each) => use(each, project))
    return yield* Effect.provide(used, storeOf(project, purpose))
  })

/** Collects what is over the store's default limits. */
export const keepBounded = Effect.fnUntraced(function* (notify: (text: string) => void) {
  const planned = yield* Gc.plan(Gc.defaultLimits, yield* RunLog.pinnedResults, Date.now())
  yield* Gc.collect(planned)
  if (planned.results.length > 0) {
    notify(
      `the store was over its limits: removed ${planned.results.length} old results (${formatBytes(planned.freedBytes)})`
    )
  }
})

/** Tells of outputs that look like results and belong to no step any more. */
export const tellLeftovers = Effect.fnUntraced(function* (
  { pipeline }: Prepared,
  { outputsDir }: Project.Project,
  notify: (text: string) => void
) {
  const left = yield* OutputFolder.leftovers(outputsDir, pipeline)
  if (left.length === 0) return
  const folders = left.map((name) => path.relative(process.cwd(), path.join(outputsDir, name)))
  notify(`${few(folders)}: of no step of the pipeline any more. \`op-pipe clean\` removes such outputs`)
})

/** The results that a run had, as far as they are still there. */
export const resultsOf = Effect.fnUntraced(function* (record: RunLog.RunRecord) {
  const { results } = yield* Store
  const found = new Map<string, StepResult>()
  for (const [step, key] of Object.entries(record.keys)) {
    const result = yield* results.withOutputs(key, record.outputs[step])
    if (Option.isSome(result)) found.set(step, result.value)
  }
  return found
})

/**
 * The folder in which the toolchain called `name` keeps what it built, in the store that is open.
 *
 * @example
 * ```ts
 * import * as Command from "effect/cli/Command"
 * import * as Effect from "effect/Effect"
 * import { printLine, projectFlags, toolchainDir, withStore } from "op-pipe/cli"
 *
 * export const verb = Command.make("head", projectFlags, (flags) =>
 *   withStore(flags, () => Effect.flatMap(toolchainDir("solver"), printLine))
 * )
 * console.log(verb.name) // head
 * ```
 */
export const toolchainDir = (name: string): Effect.Effect<string, never, Store> =>
  Effect.map(Store, ({ layout }) => layout.toolchain(name))

/**
 * Writes a file beside its place and moves it there, so that nobody sees half of it. Makes its folder. Fails with `DiskError`.
 *
 * @example
 * ```ts
 * import * as Command from "effect/cli/Command"
 * import { projectFlags, replaceFile, withStore } from "op-pipe/cli"
 *
 * export const verb = Command.make("head", projectFlags, (flags) =>
 *   withStore(flags, () => replaceFile("page.html", new TextEncoder().encode("<p>")))
 * )
 * console.log(verb.name) // head
 * ```
 */
export const replaceFile = Effect.fn("cli.replaceFile")(function* (file: string, content: Uint8Array) {
  const disk = yield* Disk
  const to = path.resolve(file)
  const aside = `${to}.${process.pid}.new`
  yield* disk.makeFolder(path.dirname(to))
  yield* disk.writePieces(aside, [content])
  yield* disk.rename(aside, to)
})

/**
 * Runs `use` with the project's store open, without a look at its data or code. Fails with `UsageError` if there is no pipeline.
 *
 * @example
 * ```ts
 * import * as Command from "effect/cli/Command"
 * import { printLine, projectFlags, withStore } from "op-pipe/cli"
 *
 * export const verb = Command.make("head", projectFlags, (flags) =>
 *   withStore(flags, ({ storeDir }) => printLine(storeDir))
 * )
 * console.log(verb.name) // head
 * ```
 */
export const withStore = <A, E, R>(
  flags: Project.ProjectFlags,
  use: (project: Project.Project) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function* () {
    const project = yield* Project.open(flags)
    const purpose = { pipeline: project.pipeline.name, mayMake: false }
    const layer = Store.layer(project.storeDir, purpose).pipe(Layer.provideMerge(Disk.layer))
    return yield* Effect.provide(use(project), layer)
  })
