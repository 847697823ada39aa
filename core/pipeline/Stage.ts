/**
 * Stages: the definition of one kind of work.
 *
 * A stage is one declaration: its name, the module it stands in, its parameters (a Schema whose fields all have
 * defaults), the artifacts it reads and writes, and `run`. It holds no state and closes over nothing: the executor
 * loads the module in another process and calls `run` there, so whatever the stage depends on is in its imports (part
 * of its code identity), its params, its inputs, or its toolchain. Placing a stage in a pipeline makes a *step*; one
 * stage may be placed several times with a variant (`train@bn`, `train@nobn`).
 *
 * Gotchas:
 * - The module must export the stage; the executor finds it by `name` among the exports.
 * - `run` may fail only with `StageFailure` (what went wrong, in words) or `ArtifactError`; anything else is a bug and
 *   is reported so.
 * - `run` reads its inputs and modules and writes below `output.*.path` or `workdir`; any other file is an error that
 *   names it.
 * - Paths that `run` is given are relative to the folder in which it starts, the same in every run (unsealed, that of a source is
 *   where the user has it). They lead nowhere after a `process.chdir`.
 * - The environment holds what belongs to the machine (PATH, HOME, ...) and what `passEnv` and `secrets` name, which do
 *   not count; nothing else. The system's temporary folder is `workdir`.
 */
import type * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Artifact from "./Artifact.ts"
import * as Options from "./checks/Options.ts"
import * as Params from "./command/CommandParams.ts"
import * as Python from "./command/Python.ts"
import * as Shell from "./command/Shell.ts"
import * as Limits from "./Limits.ts"
import * as Names from "./Names.ts"
import type { StageFailure } from "./stage/StageFailure.ts"
import type * as Toolchain from "./Toolchain.ts"

export { StageFailure } from "./stage/StageFailure.ts"

/** How far a long stage is. Rates and the time left are computed by whoever shows it. */
export interface Progress {
  /** What is going on, in a word or two: "scan", "epoch 3/24". */
  readonly label: string
  readonly done: number
  readonly total: number
  /** What `done` counts: "pictures", "images". */
  readonly unit: string
  /** Figures worth a glance: `{ loss: 1.23 }`. */
  readonly figures?: Readonly<Record<string, number>>
}

/**
 * State of an unfinished stage that survives a kill. Keyed by the step's cache key; gone once the result is committed,
 * or once a source was touched.
 */
export interface Checkpoint {
  readonly load: Effect.Effect<Uint8Array | undefined>
  /**
   * Replaces the checkpoint by the pieces, one after the other. They must not change until it is done; the stage may go
   * on meanwhile.
   */
  readonly save: (...pieces: ReadonlyArray<Uint8Array>) => Effect.Effect<void, StageFailure>
}

/** What `run` is given: parameters, inputs to read, outputs to write, and the means to say how far it is. */
export interface Context<P, I extends Inputs, O extends Artifacts, T extends Toolchains> {
  readonly params: P
  readonly inputs: { readonly [K in keyof I]: Artifact.Reader<I[K]> }
  readonly output: { readonly [K in keyof O]: Artifact.Writer<O[K]> }
  /** The identities that `identify` gave, by the toolchain's name. */
  readonly toolchain: { readonly [K in keyof T]: Toolchain.IdentityOf<T[K]> }
  /** Where a toolchain, also one that the stage does not declare, keeps what it built, if anything. */
  readonly toolchainDir: (name: string) => string
  /** A private scratch folder, removed afterwards. */
  readonly workdir: string
  /** How many cores the step was given. */
  readonly cores: number
  readonly progress: (progress: Progress) => Effect.Effect<void>
  /** Says in one sentence what a user should know although the step goes on, such as input that was left out. */
  readonly notice: (text: string) => Effect.Effect<void>
  readonly checkpoint: Checkpoint
}

/** Outputs of a stage, and inputs of a command, by name. */
export type Artifacts = Readonly<Record<string, Artifact.Any>>
/** Inputs of a stage, by name. */
export type Inputs = Readonly<Record<string, Artifact.Input>>
/** Toolchains that a stage computes with, by the name that it gives them. */
export type Toolchains = Readonly<Record<string, Toolchain.Any>>
/** What `run` may fail with. Anything else is an error of the stage, and reported with its trace. */
export type Failure = StageFailure | Artifact.ArtifactError
/** Services that `run` may ask for. */
export type Requirements = FileSystem.FileSystem | Path.Path | Scope.Scope

interface Common<Name extends string, P, I extends Inputs, O extends Artifacts, T extends Toolchains> {
  readonly name: Name
  readonly params: Schema.Codec<P, unknown>
  readonly inputs: I
  readonly output: O
  readonly toolchain: T
  /** Variables of the user's that the work sees, and that do not count. */
  readonly passEnv: ReadonlyArray<string>
  /** The same of variables whose values nobody may see. */
  readonly secrets: ReadonlyArray<string>
  /** Names of programs that it calls, whose content counts. */
  readonly programs: ReadonlyArray<string>
  /** Where the stage is declared, if it names programs. */
  readonly place: string | undefined
  /** How long it may take, and how often it is tried; in no key. */
  readonly limits: Limits.Limits
}

/** A stage whose work is a function, as `make` returns it. */
export interface Stage<
  Name extends string,
  P,
  I extends Inputs,
  O extends Artifacts,
  T extends Toolchains = Readonly<Record<never, never>>
> extends Common<Name, P, I, O, T> {
  readonly _tag: "Stage"
  /** `import.meta.url` of the module that exports the stage. */
  readonly source: string
  /** Whether `run` may start programs. */
  readonly spawns: boolean
  readonly run: (context: Context<P, I, O, T>) => Effect.Effect<void, Failure, Requirements>
}

/** A stage whose work is a command: a text for the shell, or a call of a program. */
export interface Command<Name extends string, I extends Inputs, O extends Artifacts, P = CommandParams>
  extends Common<Name, P, I, O, Readonly<Record<never, never>>> {
  readonly _tag: "Command"
  /** The command itself and its variables, where nothing else is said. */
  readonly defaults: Partial<CommandParams>
  /** The names of the parameters that its author declares, if there are any. */
  readonly own: ReadonlyArray<string> | undefined
  /** The script that is its work, if it is one in Python. */
  readonly python: Python.Python | undefined
  /** The program that runs the command, with its arguments; none of a call without a shell. */
  readonly shell: ReadonlyArray<string>
  /** Whether the command may use the network. */
  readonly network: boolean
}

/** Any stage whose work is a function. */
// biome-ignore lint/suspicious/noExplicitAny: existential type parameters
export type Module = Stage<string, any, any, any, any>
/** Any stage whose work is a command. */
// biome-ignore lint/suspicious/noExplicitAny: existential type parameters
export type AnyCommand = Command<string, any, any, any>
/** Any stage. */
export type Any = Module | AnyCommand

/**
 * Declares a stage. Its module must export it, and `source` is that module's `import.meta.url`: the process that does the work finds it by both.
 *
 * `run` fails with `StageFailure` or `ArtifactError`. It closes over nothing but imports: what it depends on is parameters, inputs and toolchains.
 * Variables that `passEnv` and `secrets` name are in `process.env`, and in no key; values of secrets are masked in all that is printed.
 * Programs it may start if `spawns` says so: with their names (`spawns: ["git"]`) these count in its key, with `true` none does.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Artifact, Pipeline, Stage } from "op-pipe"
 *
 * const Squares = Artifact.json({ tag: "Squares/v1", path: "squares.json", schema: Schema.Array(Schema.Int) })
 *
 * export const square = Stage.make({
 *   name: "square",
 *   source: import.meta.url,
 *   params: Schema.Struct({ count: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(3))) }),
 *   inputs: {},
 *   output: { squares: Squares },
 *   run: ({ params, output }) => output.squares.write(Array.from({ length: params.count }, (_, i) => i * i))
 * })
 *
 * export default Pipeline.make({ name: "squares", steps: [Pipeline.step(square, { inputs: {} })] })
 * ```
 */
export const make = <
  const Name extends string,
  P,
  PI,
  const I extends Inputs,
  const O extends Artifacts,
  const T extends Toolchains = Readonly<Record<never, never>>
>(
  options: Limits.Declared & {
    readonly name: Name
    readonly source: string
    readonly params: Schema.Codec<P, PI>
    readonly inputs: I
    readonly output: O
    readonly toolchain?: T
    readonly spawns?: boolean | ReadonlyArray<string>
    readonly passEnv?: ReadonlyArray<string>
    readonly secrets?: ReadonlyArray<string>
    readonly run: (context: Context<P, I, O, T>) => Effect.Effect<void, Failure, Requirements>
  }
): Stage<Name, P, I, O, T> => {
  Options.ofStage(options)
  return {
    _tag: "Stage",
    ...Names.passed(options),
    name: options.name,
    source: options.source,
    params: options.params as Schema.Codec<P, unknown>,
    inputs: options.inputs,
    output: options.output,
    toolchain: (options.toolchain ?? {}) as T,
    spawns: options.spawns !== undefined && options.spawns !== false,
    ...programsOf(options.name, typeof options.spawns === "object" ? options.spawns : [], make),
    limits: Limits.of(options.name, options),
    run: options.run
  }
}

/** The place in the user's source from which `declare` was called, as a stack trace names it. */
const placeOfCaller = (declare: (options: never) => unknown): string | undefined => {
  const caller: { stack?: string } = {}
  Error.captureStackTrace(caller, declare)
  return /at (?:.*\()?((?:file:\/\/)?\/[^()\n]*:\d+:\d+)\)?$/mu.exec(caller.stack ?? "")?.[1]
}

const programsOf = (
  stage: string,
  programs: ReadonlyArray<string>,
  declare: (options: never) => unknown
): Pick<Any, "programs" | "place"> => {
  const wrong = programs.find((name) => !/^[^\s/]+$/u.test(name))
  if (wrong !== undefined) {
    throw new TypeError(
      `${stage}: expected names of programs on PATH, but found "${wrong}". A script of your own is an input, or its folder is on PATH`
    )
  }
  return { programs, place: programs.length === 0 ? undefined : placeOfCaller(declare) }
}

/** What each command has besides its own parameters: its text or words, and its variables. */
export type CommandParams = Params.CommandParams

/** What is asked of a command, whatever runs it. */
interface Asked<Name extends string, I extends Inputs, O extends Artifacts, P, PI> extends Limits.Declared {
  readonly name: Name
  readonly params?: Schema.Codec<P, PI>
  readonly inputs: I
  readonly output: O
  readonly env?: Readonly<Record<string, string>>
  readonly passEnv?: ReadonlyArray<string>
  readonly secrets?: ReadonlyArray<string>
  readonly network?: boolean
}

/**
 * A stage whose work is a command: `command` is a text for the shell, `args` are a program and its arguments, without a shell.
 *
 * The command finds each input and output under a variable of that name, as a path that is relative to the folder in which
 * it starts; of a source that it reads unsealed, an absolute one. The folder is removed afterwards. Where the machine has
 * bash, `bash -euo pipefail` runs it, else `sh -eu`; `shell` names another. It sees no variable of the user's but PATH and
 * those that `passEnv` and `secrets` name. What it left in the background is ended with it.
 *
 * Where bubblewrap is installed, the command is *sealed*: it sees the system's programs, its inputs (read-only) and its
 * outputs, and neither other files nor the network, unless `network` is true.
 *
 * It sees each of its `params` that is a number, a text, a boolean or null as a variable of that name, as its Schema encodes
 * it, and all of them as a JSON file, whose path is `$OP_PIPE_PARAMS`. In `args`, `$name` stands for such a variable's value,
 * within its word; `$$` is a dollar sign.
 *
 * The programs that it calls count if `programs` names them (`programs: ["python3"]`): by the content of their files, as PATH
 * finds them. The step's run ends before any work if one is not there.
 *
 * Throws `DeclarationError` for names that are no names of shell variables, or that are used twice, and for `args` that name
 * none of them; `TypeError` for programs named by a path.
 *
 * @example
 * ```ts
 * import { Artifact, Pipeline, Stage } from "op-pipe"
 *
 * const Line = Artifact.file({ tag: "Line/v1", path: "line.txt" })
 * const Count = Artifact.file({ tag: "Count/v1", path: "count.txt" })
 * const greet = Stage.command({
 *   name: "greet",
 *   command: 'echo "hello $NAME" > "$line"',
 *   inputs: {},
 *   output: { line: Line },
 *   env: { NAME: "you" }
 * })
 * const count = Stage.command({
 *   name: "count",
 *   command: 'wc -w < "$line" > "$count"',
 *   inputs: { line: Line },
 *   output: { count: Count }
 * })
 *
 * const greeted = Pipeline.step(greet, { inputs: {} })
 * export default Pipeline.make({ name: "words", steps: [Pipeline.step(count, { inputs: { line: greeted.out.line } })] })
 * ```
 */
export const command = <
  const Name extends string,
  const I extends Inputs,
  const O extends Artifacts,
  P = Readonly<Record<never, never>>,
  PI = Readonly<Record<never, never>>
>(
  options: Asked<Name, I, O, P, PI> & {
    readonly shell?: Shell.Shell
    readonly programs?: ReadonlyArray<string>
  } & Params.Written
): Command<Name, I, O, P & CommandParams> => {
  Options.ofProgram(options)
  const { name, inputs, output, env = {} } = options
  const passed = Names.passed(options)
  const { params, defaults, own } = Params.make({ ...options, env, ...passed }, options)
  return {
    _tag: "Command",
    name,
    params: params as Schema.Codec<P & CommandParams, unknown>,
    defaults,
    own,
    python: undefined,
    shell: options.args === undefined ? Shell.argumentsOf(options.shell) : [],
    network: options.network ?? false,
    ...passed,
    inputs,
    output,
    toolchain: {},
    limits: Limits.of(name, options),
    ...programsOf(name, options.programs ?? [], command)
  }
}

/**
 * A stage whose work is a Python script. `source` is its path, relative to the pipeline's folder.
 *
 * Its code counts as that of a stage in TypeScript does: the local modules that it imports, by their syntax, and the installed
 * distributions, by name and version; `python` names the interpreter (`"python3"` on PATH, or `".venv/bin/python"`), which counts by its version.
 * `path` has further folders with modules. The script finds its parameters, inputs and outputs in `from op_pipe import ctx`.
 *
 * Throws `DeclarationError` for parameters without names and for variables that op-pipe sets itself.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Artifact, Pipeline, Stage } from "op-pipe"
 *
 * const Table = Artifact.file({ tag: "Table/v1", path: "table.csv" })
 * const Model = Artifact.file({ tag: "Model/v1", path: "model.json" })
 * const train = Stage.python({
 *   name: "train",
 *   source: "src/train.py",
 *   params: Schema.Struct({ rate: Schema.Finite.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.1))) }),
 *   inputs: { table: Table },
 *   output: { model: Model }
 * })
 *
 * const table = Pipeline.source({ name: "table", artifact: Table, path: "table.csv" })
 * const pipeline = Pipeline.make({ name: "model", steps: [Pipeline.step(train, { inputs: { table: table.port } })] })
 * console.log(pipeline.steps[0]?.id) // train
 * ```
 */
export const python = <
  const Name extends string,
  const I extends Inputs,
  const O extends Artifacts,
  P = Readonly<Record<never, never>>,
  PI = Readonly<Record<never, never>>
>(
  options: Asked<Name, I, O, P, PI> & {
    readonly source: string
    readonly python?: string
    readonly path?: ReadonlyArray<string>
  }
): Command<Name, I, O, P & Pick<CommandParams, "env">> => {
  Options.ofProgram(options)
  const { name, inputs, output, env = {}, network = false } = options
  const passed = Names.passed(options)
  const { params, ...of } = Params.makeForScript({ ...options, env, ...passed })
  return {
    _tag: "Command",
    name,
    params: params as Schema.Codec<P & Pick<CommandParams, "env">, unknown>,
    ...of,
    python: Python.of(options),
    shell: [],
    network,
    ...passed,
    inputs,
    output,
    toolchain: {},
    limits: Limits.of(name, options),
    ...programsOf(name, [], python)
  }
}

/**
 * Whether a value is a stage that `make` returned.
 *
 * @example
 * ```ts
 * import { Artifact, Stage } from "op-pipe"
 *
 * const Line = Artifact.file({ tag: "Line/v1", path: "line.txt" })
 * const greet = Stage.command({ name: "greet", command: 'echo hello > "$line"', inputs: {}, output: { line: Line } })
 * console.log(Stage.isStage(greet)) // false
 * ```
 */
export const isStage = (value: unknown): value is Module =>
  typeof value === "object" && value !== null && (value as { readonly _tag?: unknown })._tag === "Stage"
