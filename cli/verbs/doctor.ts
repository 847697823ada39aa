/** `op-pipe doctor`: what is here, what is missing, and how to get it. */
import { availableParallelism, cpus, totalmem } from "node:os"
import * as path from "node:path"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Layout from "../../cache/store/Layout.ts"
import { version } from "../../core/run/Provenance.ts"
import { paint, printError, printLine } from "../Console.ts"
import * as Flags from "../Flags.ts"

export const doctor = Command.make(
  "doctor",
  {
    store: Flags.project.store,
    fetchOneDnn: Flag.Boolean("fetch-onednn").pipe(
      Flag.withDescription("Get oneDNN from Debian's packages into vendor/onednn, without root"),
      Flag.withDefault(false)
    ),
    json: Flags.json
  },
  Effect.fn("cli.doctor")(function* (flags) {
    const engines = yield* Effect.promise(() => import("../../engine/index.ts"))
    const cacheDir = Layout.make(flags.store ?? ".op-pipe").toolchain("engine")
    if (flags.fetchOneDnn) {
      const { fetchOneDnn } = yield* Effect.promise(() => import("../../engine/native/FetchOneDnn.ts"))
      const folder = path.resolve("vendor", "onednn")
      yield* fetchOneDnn({ folder, notify: (line) => Effect.runSync(printError(line)) })
    }
    const rows = yield* engines.doctor({ cacheDir })
    const machine = {
      opPipe: version,
      node: process.versions.node,
      cores: availableParallelism(),
      processor: cpus()[0]?.model ?? "unknown",
      memoryBytes: totalmem()
    }
    if (flags.json) return yield* printLine(JSON.stringify({ machine, engines: rows }))
    const { opPipe, node, cores, processor, memoryBytes } = machine
    yield* printLine(
      `op-pipe ${opPipe}, Node.js ${node}, ${cores} cores (${processor}), ${(memoryBytes / 2 ** 30).toFixed(0)} GiB`
    )
    for (const row of rows) {
      const mark = row.available ? paint("green", "✓") : paint("yellow", "-")
      yield* printLine(`${mark} ${paint("bold", row.engine)}  ${row.detail}`)
      if (row.howToGet !== "") yield* printLine(`    ${row.howToGet}`)
    }
  })
).pipe(Command.withDescription("Show engines, versions and cores, what is missing and how to get it"))
