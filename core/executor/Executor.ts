/**
 * Executor: where a step's work is done.
 *
 * What crosses to it is data (StepTask.ts), so an executor on another machine needs no other face than this one. The default, in
 * ProcessExecutor, is a child process per step.
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
import type { News, StepTask } from "./StepTask.ts"

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
