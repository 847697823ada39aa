/** Session: from flags to a prepared pipeline, the same for every verb that looks at one. */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { CodeIdentity } from "../cache/code/CodeIdentity.ts"
import { Disk } from "../cache/store/Disk.ts"
import { Store } from "../cache/store/Store.ts"
import * as Pipeline from "../core/pipeline/Pipeline.ts"
import * as Plan from "../core/plan/Plan.ts"
import type { Prepared } from "../core/plan/Prepared.ts"
import * as Settings from "../core/plan/Settings.ts"
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
    paths[name] = named === undefined ? given : given.slice(named.length + 1)
  }
  return paths
})

/** The project alone, without a look at its data. */
export const openSettled = Effect.fnUntraced(function* (flags: SessionFlags) {
  const opened = yield* Project.open(flags)
  const seeds = flags.seeds ?? opened.pipeline.seeds
  const project = { ...opened, pipeline: Pipeline.overSeeds(opened.pipeline, seeds) }
  const short = Object.values(flags.shorthand).filter((each) => each !== undefined)
  const set = [...short, ...flags.set]
  const settings = yield* Settings.resolve(project.pipeline, { profile: flags.profile, seed: flags.seed, set })
  return { project, settings }
})

/** Runs `use` with the project's pipeline prepared and its store open. */
export const withPrepared = <A, E, R>(
  flags: SessionFlags,
  notify: (line: string) => void,
  use: (prepared: Prepared, project: Project.Project) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function* () {
    const { project, settings } = yield* openSettled(flags)
    const paths = yield* sourcePaths(project, flags.data)
    const layer = CodeIdentity.layerIn(project.storeDir).pipe(Layer.provideMerge(Disk.layer))
    return yield* Effect.gen(function* () {
      const { pipeline, cores, dataDir, outputsDir, root } = project
      const options = { pipeline, settings, sourcePaths: paths, root, dataDir, outputsDir, cores, notify }
      const prepared = yield* Plan.prepare(options)
      return yield* use(prepared, project)
    }).pipe(Effect.provide(layer))
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
    const layer = Store.layer(project.storeDir).pipe(Layer.provideMerge(Disk.layer))
    return yield* Effect.provide(use(project), layer)
  })
