/** `op-pipe cache stats|verify|gc`: the store itself. */

import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Gc from "../../cache/store/Gc.ts"
import * as RunLog from "../../core/run/RunLog.ts"
import { formatBytes, printLine } from "../Console.ts"
import * as Flags from "../Flags.ts"
import { printJson } from "../json/Shapes.ts"
import * as Session from "../Session.ts"

const shared = { ...Flags.project, json: Flags.json }

const stats = Command.make(
  "stats",
  shared,
  Effect.fn("cli.cache.stats")(function* (flags) {
    const found = yield* Session.withStore(flags, () =>
      Effect.gen(function* () {
        const { before } = yield* Gc.plan(Gc.defaultLimits, yield* RunLog.pinnedResults, Date.now())
        const runs = yield* RunLog.list
        return { ...before, runs: runs.length, pinned: (yield* RunLog.pins).length }
      })
    )
    if (flags.json) return yield* printJson("cache-stats", found)
    yield* printLine(
      `${found.results} results, ${found.blobs} blobs, ${formatBytes(found.bytes)}; ${found.runs} runs, ${found.pinned} pinned`
    )
  })
).pipe(Command.withDescription("How much the store holds"))

const verify = Command.make(
  "verify",
  shared,
  Effect.fn("cli.cache.verify")(function* (flags) {
    const found = yield* Session.withStore(flags, () => Gc.verify)
    if (flags.json) return yield* printJson("cache-verify", found)
    const damage =
      found.damaged.length === 0
        ? "none damaged"
        : `${found.damaged.length} damaged and removed (${found.damaged.map((each) => each.slice(0, 12)).join(", ")}); the next run makes them again`
    yield* printLine(`${found.blobs} blobs (${formatBytes(found.bytes)}) and ${found.results} results read: ${damage}`)
  })
).pipe(Command.withDescription("Read every byte of the store and remove what is damaged"))

const notNegative = Flag.withSchema(Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0)))
const gibibytes = Flag.Finite("max-gib").pipe(
  notNegative,
  Flag.withDescription("Keep the store below so many GiB"),
  Flag.withDefault(Gc.defaultLimits.maximumBytes / 2 ** 30)
)
const days = Flag.Finite("max-days").pipe(
  notNegative,
  Flag.withDescription("Drop results that were not used for so many days"),
  Flag.withDefault(Gc.defaultLimits.maximumAgeMs / 86_400_000)
)

const gc = Command.make(
  "gc",
  {
    ...shared,
    gibibytes,
    days,
    dryRun: Flags.toggle("dry-run", "Say what would be removed; remove nothing")
  },
  Effect.fn("cli.cache.gc")(function* (flags) {
    const limits = { maximumBytes: flags.gibibytes * 2 ** 30, maximumAgeMs: flags.days * 86_400_000 }
    const { atMs: _, ...found } = yield* Session.withStore(flags, () =>
      Effect.gen(function* () {
        const planned = yield* Gc.plan(limits, yield* RunLog.pinnedResults, Date.now())
        if (!flags.dryRun) yield* Gc.collect(planned)
        return planned
      })
    )
    if (flags.json) return yield* printJson("cache-gc", { ...found, dryRun: flags.dryRun })
    const { results, blobs, left, freedBytes, before } = found
    const verb = flags.dryRun ? "would remove" : "removed"
    if (left.length > 0) yield* printLine(`${verb} what killed runs left (${left.length} leases and jobs)`)
    else if (results.length === 0 && blobs.length === 0) yield* printLine("nothing to remove")
    if (results.length === 0 && blobs.length === 0) return
    const bytes = `${freedBytes} bytes (${formatBytes(freedBytes)}) of ${formatBytes(before.bytes)}`
    yield* printLine(`${verb} ${results.length} results and ${blobs.length} blobs: ${bytes}`)
  })
).pipe(Command.withDescription("Remove what is old or over the size limit; results of pinned runs stay"))

export const cache = Command.make("cache").pipe(
  Command.withDescription("Look at the store, check it, make room in it"),
  Command.withSubcommands([stats, verify, gc])
)
