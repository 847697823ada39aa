/** Engine: what runs commands on other machines: it starts one, tells its state, and ends it. Nothing else is asked of it. */
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"

/** The engine cannot be asked, or refuses. */
export class EngineError extends Data.TaggedError("EngineError")<{
  /** Whether it refused what it was asked for; else it may do it later. */
  readonly isRefusal: boolean
  readonly reason: string
  /** What to do next, where that is known. */
  readonly toDo?: string | undefined
}> {
  readonly fault = "stage"

  override get message(): string {
    return this.toDo === undefined ? this.reason : `${this.reason}. ${this.toDo}`
  }
}

/** What a job takes; undefined is what the engine gives by itself. */
export interface Resources {
  readonly cores: number
  readonly memoryBytes: number | undefined
  readonly timeMs: number | undefined
  readonly gpus: number | undefined
}

export interface Request extends Resources {
  readonly name: string
  readonly step: string
  readonly token: string
  /** The program and its arguments. */
  readonly command: ReadonlyArray<string>
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  /** The file for what it prints. */
  readonly output: string
}

/** How far a job is, in the engine's own words. */
export interface Seen {
  readonly id: string
  readonly name: string
  /** The token of its submission, where the engine keeps it. */
  readonly token: string | undefined
  readonly state: string
  readonly reason: string
  readonly node: string
}

export interface Engine {
  readonly type: "slurm" | "srun"
  /** Gives the engine's name for the job. */
  readonly submit: (request: Request) => Effect.Effect<string, EngineError>
  /** All jobs of this user's that the engine knows of, in one question. */
  readonly look: Effect.Effect<ReadonlyArray<Seen>, EngineError>
  /** Asks for the end of a job, which comes a little later. */
  readonly cancel: (id: string) => Effect.Effect<void, EngineError>
}
