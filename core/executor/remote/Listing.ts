/** Listing: the jobs of a store that no run has taken the outcome of, with what the cluster says of them. */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Layout } from "../../../cache/store/Layout.ts"
import type { Seen } from "./Engine.ts"
import * as Job from "./Job.ts"
import { idOf } from "./Waiting.ts"
import { jobOf } from "./Watch.ts"

export interface Row {
  readonly step: string
  readonly key: string
  readonly token: string
  readonly id: string | null
  readonly state: string
  readonly reason: string
  readonly host: string
  readonly submittedBy: string
  readonly submittedAt: string
}

const states = { done: "DONE", failed: "FAILED", refused: "REFUSED" } as const

/** All jobs of the store, the earliest first; `seen` is what the cluster says of those that it knows. */
export const all = Effect.fn("Listing.all")(function* (layout: Layout, seen: ReadonlyArray<Seen>) {
  const look = { atMs: Date.now(), jobs: new Map(seen.map((each) => [each.id, each])) }
  const rows: Array<Row> = []
  for (const key of yield* Job.list(layout.jobs)) {
    const folder = path.join(layout.jobs, key)
    const names = yield* Job.list(folder)
    for (const token of names.flatMap((name) => Job.tokenOf(name) ?? [])) {
      const read = yield* Job.readSubmission(path.join(folder, Job.files.submission(token)))
      if (Option.isNone(read)) continue
      const { task, submittedBy, submittedMs } = read.value
      const id = yield* idOf(folder, token, look)
      const known = jobOf(look, { id, token })
      const isOver = names.includes(Job.files.outcome(token))
      const outcome = isOver ? yield* Job.readOutcome(path.join(folder, Job.files.outcome(token))) : Option.none()
      rows.push({
        step: task.step,
        key,
        token,
        id: id ?? null,
        state: Option.match(outcome, { onNone: () => known?.state ?? "UNKNOWN", onSome: ({ type }) => states[type] }),
        reason: known?.reason === "None" ? "" : (known?.reason ?? ""),
        host: Option.match(outcome, { onNone: () => known?.node ?? "", onSome: ({ host }) => host }),
        submittedBy,
        submittedAt: new Date(submittedMs).toISOString()
      })
    }
  }
  return rows.sort((a, b) => (a.submittedAt < b.submittedAt ? -1 : 1))
})
