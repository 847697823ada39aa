/**
 * Executor: where a step's work is done.
 *
 * What crosses to it is data and nothing else: the module to load, the stage's name, encoded parameters, paths of inputs,
 * the identity of the toolchain; or a command for the shell. So no closure can carry undeclared state, and an executor on another machine needs no
 * other face than this one. The default, in ProcessExecutor, is a child process per step.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Semaphore from "effect/Semaphore"
import { Fault } from "../../cache/identity/Fault.ts"
import type { StepResult } from "../../cache/store/ResultStore.ts"
import { displayName } from "../pipeline/Step.ts"
import type { Order } from "./remote/Order.ts"

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
  cores: Schema.Int
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

/** Modules as they were loaded: absolute path -> SHA-256 of the source. */
export type Loaded = Readonly<Record<string, string>>

/** What an executor can tell of a step that it did: the modules it loaded for it, if it knows. */
export interface Executed {
  readonly loaded: Loaded | undefined
  /** Whether nothing but what the key holds was in its reach. */
  readonly sealed?: boolean
  /** Of a step that was done elsewhere. */
  readonly elsewhere?: {
    /** Its outputs, which are in the store. */
    readonly outputs: StepResult["outputs"]
    readonly host: string
    readonly node: string
    readonly startedMs: number
    readonly durationMs: number
  }
}

/** By which a step's files and folders are made, whatever the user's own is: no key holds that. */
export const stepUmask = 0o022

/** A step did not succeed. */
export class StepError extends Schema.TaggedError<StepError>()("StepError", {
  step: Schema.String,
  fault: Fault,
  reason: Schema.String,
  /** The file that holds what the step printed, if it printed anything. */
  log: Schema.NullOr(Schema.String),
  /** The number of the attempt, of a step that may be tried again. */
  attempts: Schema.optionalKey(Schema.Int),
  /** Whether the machine that did the work was lost, and the step is not to blame. */
  lost: Schema.optionalKey(Schema.Boolean),
  /** Whether another attempt cannot come to anything else. */
  isFinal: Schema.optionalKey(Schema.Boolean)
}) {
  /** The same, of an attempt. */
  at(attempts: number): StepError {
    const { step, fault, reason, log } = this
    return new StepError({ step, fault, reason, log, attempts })
  }

  override get message(): string {
    return `${displayName(this.step)}: ${this.reason}`
  }
}

/** How an executor does a step on another machine. */
export interface Elsewhere {
  /** How many cores the step has there, if that is configured; else what it declares decides. */
  readonly cores: number | undefined
  /** So many steps may be there at a time. */
  readonly slots: Semaphore.Semaphore
}

export class Executor extends Context.Service<
  Executor,
  {
    /** Of a step that is done on another machine; absent of an executor that does all here. */
    readonly elsewhere?: (step: string) => Elsewhere | undefined
    /**
     * `check` is asked before the work begins, with the modules that will be loaded for it, if that is settled by then. `order` is
     * asked for a task that is done elsewhere, of which nothing is left there once the scope closes.
     */
    readonly execute: (
      task: StepTask,
      onNews: (news: News) => void,
      check?: (loaded: Executed["loaded"]) => Effect.Effect<void, StepError>,
      order?: () => Order
    ) => Effect.Effect<Executed, StepError, Scope.Scope>
  }
>()("op-pipe/Executor") {}
