/** Pulling: how far the download of a result is, as events of its step. */
import type { OnBytes } from "../../../cache/remote/RemoteCache.ts"
import type { RunEvents } from "../RunEvents.ts"

/** Downloads that take less long are not told. */
const quietMs = 1000
const everyMs = 200
const megabyte = 1_000_000

/** Publishes the progress of the download for `step`. */
export const progressOf = (step: string, events: RunEvents["Service"]): OnBytes => {
  let nextMs = performance.now() + quietMs
  return (doneBytes, totalBytes) => {
    const nowMs = performance.now()
    if (nowMs < nextMs) return
    nextMs = nowMs + everyMs
    const [done, total] = [doneBytes / megabyte, totalBytes / megabyte]
    const label = "from the shared cache"
    events.publish({ type: "StepProgress", step, label, done, total, unit: "MB", figures: {} })
  }
}
