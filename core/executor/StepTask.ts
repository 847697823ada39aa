/**
 * StepTask: what crosses to where a step's work is done, and what comes back.
 *
 * It is data and nothing else: the module to load, the stage's name, encoded parameters, paths of inputs, the identity of the
 * toolchain; or a command for the shell. So no closure can carry undeclared state. Apart from Executor.ts, since a run with
 * nothing to do makes none of these schemas.
 */
import * as Schema from "effect/Schema"

/** Work that a stage's module does. */
export const ModuleWork = Schema.Struct({
  type: Schema.Literal("module"),
  stage: Schema.String,
  /** `file:` URL of the module that exports the stage. */
  source: Schema.String,
  /** Absolute paths of the modules that it reaches. */
  modules: Schema.Array(Schema.String),
  /** Where Node finds the packages that these import, with all their dependencies. */
  packages: Schema.Array(Schema.String),
  /** What the stage declares where the pipeline wired it, a line each. */
  declared: Schema.Array(Schema.String),
  /** Whether it may start programs. */
  spawns: Schema.Boolean,
  params: Schema.Record(Schema.String, Schema.Unknown),
  /** Toolchain name -> identity, encoded. */
  toolchain: Schema.Record(Schema.String, Schema.Unknown),
  toolchainsDir: Schema.String
})
export type ModuleWork = typeof ModuleWork.Type

/** Work that a command does. */
export const CommandWork = Schema.Struct({
  type: Schema.Literal("command"),
  /** A text for the shell, or a program and its arguments. */
  command: Schema.Union([Schema.String, Schema.Array(Schema.String)]),
  /** The program that runs a text, with its arguments. */
  shell: Schema.Array(Schema.String),
  /** Its own parameters, encoded; null of a command that declares none. */
  params: Schema.NullOr(Schema.Record(Schema.String, Schema.Unknown)),
  network: Schema.Boolean,
  env: Schema.Record(Schema.String, Schema.String),
  /** Of a Python script, absolute paths: its interpreter, itself, the modules that it is made of; null of another command. */
  python: Schema.NullOr(
    Schema.Struct({
      interpreter: Schema.String,
      script: Schema.String,
      files: Schema.Array(Schema.String),
      /** Where modules are looked for, besides the script's folder. */
      path: Schema.Array(Schema.String),
      /** What the interpreter needs of the disk. */
      folders: Schema.Array(Schema.String),
      userBase: Schema.NullOr(Schema.String)
    })
  ),
  /** Output name -> its path below `outputDir`, and whether it is a folder that the command finds there. */
  output: Schema.Record(Schema.String, Schema.Struct({ path: Schema.String, isMade: Schema.Boolean }))
})
export type CommandWork = typeof CommandWork.Type

export const StepTask = Schema.Struct({
  step: Schema.String,
  work: Schema.Union([ModuleWork, CommandWork]),
  /** Input name -> where its content lies. */
  inputs: Schema.Record(Schema.String, Schema.String),
  /** Of inputs that take many: what lies in their folders, in the order of the names. */
  entries: Schema.Record(Schema.String, Schema.Array(Schema.Struct({ name: Schema.String, path: Schema.String }))),
  /** Optional inputs that are not there; the others are in `inputs`. */
  absent: Schema.Array(Schema.String),
  /** Input name -> where the step finds it, in the folder that it starts in. */
  places: Schema.Record(Schema.String, Schema.String),
  /** What links in an input lead to, outside of it: its real path, the path that names it, and where the step looks for it. */
  reached: Schema.Array(
    Schema.Struct({ input: Schema.String, from: Schema.String, named: Schema.String, at: Schema.String })
  ),
  /** Paths below an input that are no part of it. */
  ignored: Schema.Array(Schema.Struct({ input: Schema.String, path: Schema.String })),
  /** The pipeline's folder, of which the step sees only what it declares. */
  project: Schema.String,
  /** Where output artifacts are written. */
  outputDir: Schema.String,
  /** Names of variables that are passed on and do not count. The values of `secrets` must not be seen either. */
  passEnv: Schema.Array(Schema.String),
  secrets: Schema.Array(Schema.String),
  /** The file for what the step prints. */
  log: Schema.String,
  /** Private scratch. */
  workdir: Schema.String,
  /** Where a checkpoint of this very key lies, if there is one. */
  checkpoint: Schema.String,
  cores: Schema.Int,
  /** The GPUs that it was given, as CUDA names them; null of a step that asks for none, or is done elsewhere. */
  gpus: Schema.NullOr(Schema.Array(Schema.String))
})
export type StepTask = typeof StepTask.Type

/** What the process that executes a step says to the one that asked. */
export const Message = Schema.Union([
  Schema.Struct({
    type: Schema.Literal("progress"),
    label: Schema.String,
    done: Schema.Finite,
    total: Schema.Finite,
    unit: Schema.String,
    figures: Schema.Record(Schema.String, Schema.Finite)
  }),
  /** Something that a user should know although the step goes on. */
  Schema.Struct({ type: Schema.Literal("notice"), text: Schema.String }),
  Schema.Struct({
    type: Schema.Literal("done"),
    /** Modules that were loaded: absolute path -> SHA-256 of the source as it was then. */
    loaded: Schema.Record(Schema.String, Schema.String)
  }),
  Schema.Struct({ type: Schema.Literal("failed"), reason: Schema.String, badInput: Schema.Boolean }),
  /** The stage threw. */
  Schema.Struct({ type: Schema.Literal("threw"), trace: Schema.String })
])
export type Message = typeof Message.Type
/** What is said while the step goes on. */
export type News = Extract<Message, { readonly type: "progress" | "notice" }>
