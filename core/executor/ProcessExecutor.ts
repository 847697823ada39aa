/**
 * ProcessExecutor: a step in a child process of its own.
 *
 * The command line stays responsive whatever the stage does, a crash of native code is a failed step, memory goes back to
 * the system at the end, and stopping is a signal. A command's process is the shell itself.
 *
 * A stage's process starts from a bundle of the stage (core/start/bundle.mjs), in a quarter of the time that its sources take. The bundle
 * says of what bytes it was made, so a result is known to come from the code that its key says.
 */
import type { ChildProcess } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { createRequire, findPackageJSON, isBuiltin } from "node:module"
import * as path from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Framework from "../../cache/code/Framework.ts"
import { asStepError, end, endedEarly, environment, finish, launch, spawnSealed, spawnWatched } from "./ChildProcess.ts"
import * as CommandRun from "./CommandRun.ts"
import { type Executed, Executor, StepError } from "./Executor.ts"
import * as FrameworkFiles from "./FrameworkFiles.ts"
import * as Log from "./log/Log.ts"
import * as Sandbox from "./Sandbox.ts"
import { Message, type ModuleWork, type News, type StepTask } from "./StepTask.ts"
import * as LeftOut from "./walls/LeftOut.ts"
import * as ModuleWalls from "./walls/ModuleWalls.ts"
import * as Permissions from "./walls/Permissions.ts"

/** What `core/start/start.cjs` exports. It is plain JavaScript, and lies beside the built files too. */
interface Start {
  readonly bundled: (contents: string, resolveDir: string, options: { readonly keepNames: boolean }) => Promise<Bundle>
}
/** What `core/start/places.cjs` exports. */
interface Places {
  readonly inSources: (trace: string) => string
}
interface Bundle {
  readonly main: string
  /** SHA-256 of each module of ours in it, by absolute path. */
  readonly digests: Readonly<Record<string, string>>
}

const require = createRequire(import.meta.url)
const start = (): Start => require(FrameworkFiles.startFile("start.cjs")) as Start
const inSources = (trace: string): string =>
  (require(FrameworkFiles.startFile("places.cjs")) as Places).inSources(trace)

/** The bundle of a stage's process; undefined when none can be made: then the sources are loaded, and give the better error. */
const bundleOf = async (source: string): Promise<Bundle | undefined> => {
  const [server, stage] = [FrameworkFiles.beside("TaskWorker"), fileURLToPath(source)].map((each) =>
    JSON.stringify(each)
  )
  const contents = `import { serve } from ${server}\nserve({ load: () => import(${stage}), loaded: {} })`
  return start()
    .bundled(contents, path.dirname(FrameworkFiles.beside("TaskWorker")), { keepNames: true })
    .catch(() => undefined)
}

/** The folder of the package that `file` lies in, below the last `node_modules`; undefined of a file that lies in none. */
const packageFolder = (file: string): string | undefined =>
  /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+(?=[\\/]|$)/u.exec(file)?.[0]

/** A module in the bundle that the key does not know of: an edit of it would be served stale. */
const unknownModule = (work: ModuleWork, bundle: Bundle): string | undefined => {
  const known = new Set(work.modules)
  const own = packageFolder(fileURLToPath(work.source))
  // another package counts by its version
  const isCounted = (file: string): boolean => [undefined, own].includes(packageFolder(file))
  return Object.keys(bundle.digests).find((file) => !known.has(file) && isCounted(file) && !Framework.isFramework(file))
}

/** The name of the package that a module is of; undefined of the project's own. */
const packageOf = (file: string, project: string): string | undefined => {
  const manifest = findPackageJSON(pathToFileURL(file))
  if (manifest === undefined || `${project}${path.sep}`.startsWith(path.dirname(manifest) + path.sep)) return undefined
  return (JSON.parse(readFileSync(manifest, "utf8")) as { readonly name?: string }).name
}

const isNotNamed = (name: string): string =>
  `${name} is installed, but no package.json of what the stage imports names it, so it does not count. Write \`import "${name}"\` in a module of the stage, or have it named`

/** Of a module that is loaded though no key holds it: whose fault that is, and what to do. */
const unknownError = ({ step, project }: StepTask, file: string): StepError => {
  const name = packageOf(file, project)
  const reason = `${file} would be loaded, but is not among the modules that the key was made from`
  return name === undefined
    ? new StepError({ step, fault: "bug", reason, log: null })
    : new StepError({ step, fault: "stage", reason: `${reason}: ${isNotNamed(name)}`, log: null })
}

const isFrame = (line: string): boolean => /^\s+at /u.test(line)

/** Frames of Node and of op-pipe say nothing to who wrote the stage. */
const isInside = (line: string): boolean =>
  isFrame(line) &&
  (/node:|[\\/]made-[^\\/]+[\\/]/u.test(line) || Framework.folders.some((folder) => line.includes(folder)))

/** Nor do those of packages, where there are frames of the stage's own. */
const isForeign = (line: string): boolean => isInside(line) || (isFrame(line) && /[\\/]node_modules[\\/]/u.test(line))

/** A trace with the frames of the stage's own code; with those of packages if none is. */
const ownTrace = (trace: string): string => {
  const lines = trace.split("\n")
  const own = lines.filter((line) => !isForeign(line))
  return (own.some(isFrame) ? own : lines.filter((line) => !isInside(line))).join("\n")
}

/**
 * What to do where a package is not found that is installed: behind walls there are only those that the key counts, by what manifests
 * name.
 */
const adviceFor = ({ work }: StepTask, text: string): string => {
  const [, name] = /Cannot find (?:package|module) '((?:@[^/']+\/)?[^@./'][^/']*)/u.exec(text) ?? []
  if (name === undefined || isBuiltin(name) || work.type !== "module") return ""
  const from = createRequire(work.source)
  const isInstalled = from.resolve.paths(name)?.some((folder) => existsSync(path.join(folder, name))) === true
  if (!isInstalled) return ""
  return `. ${isNotNamed(name)}`
}

const decodeMessage = Schema.decodeUnknownOption(Message)

const toExit = (
  task: StepTask,
  bundle: Bundle | undefined,
  isSealed: boolean,
  log: Log.Log,
  message: Message | undefined,
  how: string
): Effect.Effect<Executed, StepError> => {
  const fail = (fault: StepError["fault"], reason: string): Effect.Effect<never, StepError> =>
    Effect.fail(new StepError({ step: task.step, fault, reason, log: Log.printed(log) }))
  if (message === undefined) return Effect.fail(endedEarly(task, log, how))
  const advised = (text: string): string => `${text}${isSealed ? adviceFor(task, text) : ""}`
  switch (message.type) {
    case "failed":
      return fail(message.badInput ? "input" : "stage", advised(message.reason))
    case "threw":
      return fail("stage", advised(`it threw ${ownTrace(inSources(message.trace))}`))
    case "done":
      return Effect.succeed({ loaded: bundle?.digests ?? message.loaded, sealed: isSealed })
    case "progress":
    case "notice":
      return fail("bug", "its process ended while it still worked")
  }
}

/** Flags of Node's that say how much memory it may use; others change what code does, and no key holds them. */
const memoryFlag = /^--(max-old-space-size|max-semi-space-size|max-heap-size|stack-size)(=|$)/u

/** What `NODE_OPTIONS` says of memory. */
const memoryOptions = (): string =>
  (process.env["NODE_OPTIONS"] ?? "")
    .split(/\s+/u)
    .filter((each) => memoryFlag.test(each))
    .join(" ")

const startProcess = (
  task: StepTask,
  work: ModuleWork,
  bundle: Bundle | undefined,
  isSealed: boolean,
  stdio: Log.Log["stdio"]
): ChildProcess => {
  const compiled = bundle === undefined ? undefined : path.join(path.dirname(bundle.main), "compiled")
  const env = {
    ...environment(task),
    NODE_OPTIONS: memoryOptions(),
    // V8's code of the bundle, kept for the next process
    ...(compiled === undefined ? {} : { NODE_COMPILE_CACHE: compiled })
  }
  const plain = [
    process.execPath,
    // A warning about Node's own state is no news to who runs a pipeline.
    "--disable-warning=ExperimentalWarning",
    "--disable-warning=SecurityWarning",
    // a database is opened past the permission model
    "--no-experimental-sqlite",
    ...Permissions.flags(isSealed ? ModuleWalls.inside(task) : task, work, compiled),
    bundle?.main ?? FrameworkFiles.beside("worker")
  ]
  const options = { cwd: path.dirname(task.workdir), env, stdio: [...stdio, "ipc" as const], detached: true }
  if (!isSealed) return spawnWatched(plain, options)
  return spawnSealed(Sandbox.wrap(ModuleWalls.wallsOf(task, work, compiled), env, plain), options)
}

const runModule = (
  task: StepTask,
  work: ModuleWork,
  bundle: Bundle | undefined,
  isSealed: boolean,
  onNews: (news: News) => void
): Effect.Effect<Executed, StepError> =>
  Effect.callback<Executed, StepError>((resume) => {
    const launched = launch(task, (stdio) => startProcess(task, work, bundle, isSealed, stdio))
    if (launched instanceof StepError) return resume(Effect.fail(launched))
    const { child, log } = launched
    let outcome: Message | undefined
    child.on("message", (raw) => {
      const message = Option.getOrUndefined(decodeMessage(raw))
      if (message?.type === "progress" || message?.type === "notice") onNews(message)
      else if (message !== undefined) outcome = message
    })
    child.once("error", (cause) => resume(Effect.fail(asStepError(task, cause))))
    // Not on "exit", which may come before the last message that the process sent; "close" comes after the channel's end.
    child.once("close", (code, signal) => {
      const how = signal ?? (isSealed ? Sandbox.signalOf(code) : undefined) ?? `exit code ${code}`
      const told = () => resume(Effect.suspend(() => toExit(task, bundle, isSealed, log, outcome, how)))
      finish(launched, code !== 0).then(told, told)
    })
    child.send(ModuleWalls.seen(task, isSealed), (cause) => {
      // a process that ended at once is told of by its end
      if (cause !== null) child.disconnect?.()
    })
    return end(launched)
  })

export const make = (): Executor["Service"] => {
  // Of one run, all steps of a stage start from the same bundle.
  const bundles = new Map<string, Promise<Bundle | undefined>>()
  const bundleFor = (source: string): Promise<Bundle | undefined> => {
    const found = bundles.get(source) ?? bundleOf(source)
    bundles.set(source, found)
    return found
  }
  return {
    execute: Effect.fnUntraced(function* (
      task: StepTask,
      onNews: (news: News) => void,
      check: (loaded: Executed["loaded"]) => Effect.Effect<void, StepError> = () => Effect.void
    ) {
      const { work } = task
      const isSealed = yield* Sandbox.decide(task)
      if (work.type === "command") {
        // its modules are loaded at a time that nobody knows
        if (work.python !== null) yield* check(undefined)
        return yield* CommandRun.run(task, work, isSealed, onNews)
      }
      const bundle = yield* Effect.promise(() => bundleFor(work.source))
      // an import that was added since is told by it
      yield* check(bundle?.digests)
      const unknown = bundle === undefined ? undefined : unknownModule(work, bundle)
      if (unknown !== undefined) return yield* unknownError(task, unknown)
      return yield* runModule(isSealed ? yield* LeftOut.without(task) : task, work, bundle, isSealed, onNews)
    })
  }
}

export const layer = Layer.sync(Executor, make)
