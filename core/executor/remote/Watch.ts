/**
 * Watch: the state of all jobs of a run, by one question to the engine for all of them: two seconds after something changed, then
 * less and less often, up to once a minute. An engine that does not answer is asked again; no job fails by that.
 */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { Engine, EngineError, Seen } from "./Engine.ts"

const leastMs = 2000
const mostMs = 60_000
/** An engine that has not answered for so long is told of. */
const quietMs = 60_000

export interface Look {
  readonly atMs: number
  readonly jobs: ReadonlyMap<string, Seen>
}

/** What an engine says of a submission's job. One that was killed may give a job's name to another, of another token. */
export const jobOf = (
  look: Look | undefined,
  { id, token }: { readonly id: string | undefined; readonly token: string }
) => {
  const seen = look?.jobs.get(id ?? "")
  return seen?.token === undefined || seen.token === token ? seen : undefined
}

export interface Watch {
  /** The last answer; asks beside that where it is time to. */
  readonly current: Effect.Effect<Look | undefined>
  /** An answer to a question that was asked at `sinceMs` or later; undefined if there was none. */
  readonly since: (sinceMs: number) => Effect.Effect<Look | undefined>
  /** Something happened that the engine should be asked about soon. */
  readonly changed: () => void
}

/** What is known of the engine's answers. */
class Answers {
  last: Look | undefined
  nextMs = Date.now() + leastMs
  isAsking = false
  private states = ""
  private changedMs = Date.now()
  private failingSinceMs: number | undefined
  private isTold = false
  private readonly notify: (text: string) => void

  constructor(notify: (text: string) => void) {
    this.notify = notify
  }

  changed(): void {
    this.changedMs = Date.now()
    this.nextMs = Math.min(this.nextMs, Date.now() + leastMs)
  }

  private planNext(sinceMs: number): void {
    this.nextMs = Date.now() + Math.min(mostMs, Math.max(leastMs, (Date.now() - sinceMs) / 10))
  }

  note(seen: ReadonlyArray<Seen>, atMs: number): void {
    const states = seen.map(({ id, state, reason }) => `${id} ${state} ${reason}`).join()
    if (states !== this.states) this.changedMs = Date.now()
    this.states = states
    this.last = { atMs, jobs: new Map(seen.map((each) => [each.id, each])) }
    if (this.isTold) this.notify("the cluster answers again")
    this.isTold = false
    this.failingSinceMs = undefined
    this.planNext(this.changedMs)
  }

  fail({ reason, toDo }: EngineError): void {
    this.failingSinceMs ??= Date.now()
    this.planNext(this.failingSinceMs)
    if (this.isTold || Date.now() - this.failingSinceMs < quietMs) return
    this.isTold = true
    const next = toDo === undefined ? "" : `. ${toDo}`
    this.notify(`the cluster does not answer (${reason}). Jobs go on there, and it is asked again${next}`)
  }
}

/** Watches the jobs of `engine` until the scope closes. */
export const make = Effect.fnUntraced(function* (engine: Engine, notify: (text: string) => void) {
  const scope = yield* Effect.scope
  const one = Semaphore.withPermits(yield* Semaphore.make(1), 1)
  const answers = new Answers(notify)
  const ask = Effect.gen(function* () {
    const atMs = Date.now()
    const answer = yield* Effect.result(engine.look)
    if (answer._tag === "Success") answers.note(answer.success, atMs)
    else answers.fail(answer.failure)
  })
  const isSince = (sinceMs: number): boolean => answers.last !== undefined && answers.last.atMs >= sinceMs
  const asked = Effect.sync(() => {
    answers.isAsking = false
  })
  const watch: Watch = {
    current: Effect.gen(function* () {
      if (!answers.isAsking && Date.now() >= answers.nextMs) {
        answers.isAsking = true
        yield* Effect.forkIn(Effect.ensuring(one(ask), asked), scope)
      }
      return answers.last
    }),
    since: (sinceMs) =>
      one(Effect.suspend(() => (isSince(sinceMs) ? Effect.void : ask))).pipe(
        Effect.map(() => (isSince(sinceMs) ? answers.last : undefined))
      ),
    changed: () => answers.changed()
  }
  return watch
})
