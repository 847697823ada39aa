/**
 * Series: the long loops of the hostile tests, which say how far they are and can be cut into parts.
 *
 * With `OP_PIPE_HOSTILE=full` tests have their full size; with `OP_PIPE_HOSTILE_PART=2/4` as well, each series does the second
 * of four parts, so that several machines, or sittings, can share one.
 */
import * as Schema from "effect/Schema"

export const full = process.env["OP_PIPE_HOSTILE"] === "full"
/** Long enough for any series. */
export const timeoutMs = 6 * 3_600_000

const Part = Schema.TemplateLiteralParser([Schema.Int, "/", Schema.Int])
const [part, , parts] = Schema.decodeUnknownSync(Part)(process.env["OP_PIPE_HOSTILE_PART"] ?? "1/1")

/** Whether the `index`-th of many is in this part. */
export const isInPart = (index: number): boolean => index % parts === part - 1

/** How often progress is told. */
const everyMs = 30_000

/** The numbers from 0 to `count - 1` that are in this part. */
export function* series(what: string, count: number): Generator<number> {
  const own = Array.from({ length: count }, (_, index) => index).filter(isInPart)
  const startedMs = performance.now()
  let toldMs = startedMs
  for (const [done, index] of own.entries()) {
    const nowMs = performance.now()
    if (full && nowMs - toldMs > everyMs) {
      toldMs = nowMs
      const eachMs = (nowMs - startedMs) / done
      const leftMinutes = (eachMs * (own.length - done)) / 60_000
      const rate = eachMs < 1000 ? `${(1000 / eachMs).toFixed(1)} a second` : `${(eachMs / 1000).toFixed(1)} s each`
      process.stderr.write(`${what}: ${done} of ${own.length}, ${rate}, ${leftMinutes.toFixed(0)} min left\n`)
    }
    yield index
  }
}
