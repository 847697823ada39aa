/**
 * Project: the pipeline that a command is about, and the folders that go with it.
 *
 * The pipeline is the `pipeline.ts` (or `.js`, `.mjs`) of the working directory or of the nearest folder above it.
 * `.op-pipe/`, `outputs/` and `data/` lie beside the file.
 */
import { existsSync, lstatSync, statSync } from "node:fs"
import { availableParallelism } from "node:os"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Resolver from "../cache/identity/Resolver.cjs"
import { inWords } from "../core/pipeline/checks/Options.ts"
import * as Pipeline from "../core/pipeline/Pipeline.ts"
import { placesOf, variables } from "../core/run/project/Places.ts"
import { UsageError } from "./Failure.ts"

/** A `pipeline.ts` cannot be loaded or exports no pipeline. */
export class PipelineError extends Data.TaggedError("PipelineError")<{ readonly message: string }> {
  readonly fault = "input"
}

/** What `projectFlags` decode to. */
export interface ProjectFlags {
  readonly file: string | undefined
  readonly store: string | undefined
  readonly outputs: string | undefined
  readonly cores: number | undefined
}

/** The pipeline that a command is about, and its folders. */
export interface Project {
  readonly pipeline: Pipeline.Pipeline
  readonly pipelineFile: string
  readonly root: string
  readonly storeDir: string
  readonly outputsDir: string
  readonly dataDir: string
  readonly cores: number
}

const names = ["pipeline.ts", "pipeline.mjs", "pipeline.js"]

/** The outputs of a pipeline in a file of another name lie in a folder of their own: several pipelines may share a folder. */
const outputsOf = (file: string, { name }: Pipeline.Pipeline): string =>
  names.includes(path.basename(file)) ? "outputs" : path.join("outputs", name)

/** The pipeline in `start` or in the nearest folder above it. */
export const findAbove = (start: string): string | undefined => {
  for (let folder = start; ; folder = path.dirname(folder)) {
    const found = names.map((name) => path.join(folder, name)).find((file) => existsSync(file))
    if (found !== undefined) return found
    if (folder === path.dirname(folder)) return undefined
  }
}

/** Whether a file is the user's own or root's. */
const isOwn = (file: string): boolean => {
  const { uid } = lstatSync(file)
  return [0, process.getuid?.() ?? uid].includes(uid)
}

/** The file of the pipeline that is asked for, or of the one in reach. */
export const locate = (file: string | undefined): Effect.Effect<string, UsageError> => {
  const found = file === undefined ? findAbove(process.cwd()) : path.resolve(file)
  const expected = "expected a pipeline.ts in this folder or in one above it"
  if (found === undefined) {
    const toDo = "Run `op-pipe init` to make a first one, or name a file with --file"
    return Effect.fail(new UsageError({ message: `${expected}, but found none. ${toDo}` }))
  }
  // core/start/start.cjs has not loaded it either
  if (file === undefined && path.dirname(found) !== process.cwd() && !isOwn(found)) {
    const toDo = `To trust it, change to its folder, or name it: --file ${found}`
    return Effect.fail(
      new UsageError({ message: `${expected}, but found ${found}, which belongs to another user. ${toDo}` })
    )
  }
  return Effect.succeed(found)
}

type PipelineModule = Promise<{ readonly default?: unknown }>

/** How to load a pipeline that is at hand already, by its file; any other is imported. */
export type Loaders = Readonly<Record<string, () => PipelineModule>>
export const Loaders = Context.Reference<Loaders>("op-pipe/Loaders", { defaultValue: () => ({}) })

/** A declaration that was refused says what is wrong; of anything else the trace says where. */
const describe = (cause: unknown): string => {
  // by name, since the project may have a copy of op-pipe of its own
  if (cause instanceof Error) return cause.name === "DeclarationError" ? cause.message : (cause.stack ?? cause.message)
  return `it threw ${inWords(cause)}`
}

const nameFile = "Name the file in it: --file PATH"

/** What a module exports by default, in words; of CommonJS that exports nothing, Node makes an empty object. */
const exported = (value: unknown): string => {
  if (value instanceof Promise) return "a Promise. Write `export default await` before it"
  if (typeof value === "function") return "a function. Export what it returns"
  const isNothing = value === undefined || (typeof value === "object" && JSON.stringify(value) === "{}")
  return isNothing ? "no default export" : inWords(value)
}

const modules = Resolver.moduleExtensions.filter((ending) => ending !== ".json")

const load = Effect.fnUntraced(function* (file: string) {
  if (!existsSync(file))
    return yield* new UsageError({ message: `--file ${file}: expected a pipeline, but there is no such file` })
  if (statSync(file).isDirectory())
    return yield* new UsageError({
      message: `${file}: expected a file with a pipeline, but found a folder. ${nameFile}`
    })
  if (!modules.includes(path.extname(file)))
    return yield* new UsageError({
      message: `--file ${file}: expected a module, a file that ends in ${modules.join(", ")}`
    })
  const loaders = yield* Loaders
  const loaded = yield* Effect.tryPromise({
    try: loaders[file] ?? (() => import(pathToFileURL(file).href) as PipelineModule),
    catch: (cause) =>
      new PipelineError({
        message: `${file} could not be loaded: ${describe(cause)}`
      })
  })
  if (!Pipeline.isPipeline(loaded.default)) {
    return yield* new PipelineError({
      message: `${file}: expected a default export made by Pipeline.make, but found ${exported(loaded.default)}`
    })
  }
  return loaded.default
})

/** What a pipeline adds to the command line: `flags` to its verbs, `commands` to the verbs. */
export type Additions = Pick<Pipeline.Pipeline, "commands" | "flags">
const nothing: Additions = { commands: () => Promise.resolve([]), flags: {} }

/** What the pipeline at hand adds. One that cannot be loaded adds nothing; the verb that needs it says why. */
export const additions = async (loaders: Loaders): Promise<Additions> => {
  const [loadFirst] = Object.values(loaders)
  const loaded = await loadFirst?.().catch(() => undefined)
  return Pipeline.isPipeline(loaded?.default) ? loaded.default : nothing
}

/** Fails if a folder that is to be written to is a file, or lies below one. */
const checkFolder = (by: string, folder: string | undefined): Effect.Effect<void, UsageError> => {
  if (folder === undefined) return Effect.void
  if (folder === "")
    return Effect.fail(new UsageError({ message: `${by}"": expected a folder. Name one, or leave it out` }))
  let there = path.resolve(folder)
  while (!existsSync(there) && there !== path.dirname(there)) there = path.dirname(there)
  if (statSync(there).isDirectory()) return Effect.void
  const message = `${by}${folder}: expected a folder, but ${there} is a file. Name another folder`
  return Effect.fail(new UsageError({ message }))
}

export const open = Effect.fnUntraced(function* (flags: ProjectFlags) {
  for (const name of ["store", "outputs"] as const) {
    const [flag, variable] = [flags[name], process.env[variables[name]]]
    yield* flag === undefined
      ? checkFolder(`${variables[name]}=`, variable || undefined)
      : checkFolder(`--${name} `, flag)
  }
  const pipelineFile = yield* locate(flags.file)
  const root = path.dirname(pipelineFile)
  const pipeline = yield* load(pipelineFile)
  const project: Project = {
    pipeline,
    pipelineFile,
    root,
    ...placesOf(pipeline, flags, { root, defaultOutputs: outputsOf(pipelineFile, pipeline) }),
    dataDir: path.join(root, "data"),
    cores: flags.cores ?? availableParallelism()
  }
  return project
})
