/** `op-pipe doctor`: what is here, what is missing, and how to get it. */
import { availableParallelism, cpus, totalmem } from "node:os"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Layout from "../../cache/store/Layout.ts"
import type * as Toolchain from "../../core/pipeline/Toolchain.ts"
import { toolchainsOf } from "../../core/plan/Settings.ts"
import { version } from "../../core/run/Provenance.ts"
import { paint, printLine } from "../Console.ts"
import * as Flags from "../Flags.ts"
import * as Project from "../Project.ts"

/** The rows of each toolchain of the pipeline in reach, by the toolchain's name; none without a pipeline. */
const check = Effect.fnUntraced(function* (flags: Project.ProjectFlags) {
  const hasPipeline = flags.file !== undefined || Project.findAbove(process.cwd()) !== undefined
  if (!hasPipeline) return {}
  const { pipeline, storeDir } = yield* Project.open(flags)
  const layout = Layout.make(storeDir)
  const checked = yield* Effect.forEach(Object.values(toolchainsOf(pipeline)), ({ name, check }) => {
    const rows: Effect.Effect<ReadonlyArray<Toolchain.CheckRow>> =
      check === undefined ? Effect.succeed([]) : check({ cacheDir: layout.toolchain(name) })
    return Effect.map(rows, (found) => [name, found] as const)
  })
  return Object.fromEntries(checked)
})

export const doctor = Command.make(
  "doctor",
  { ...Flags.project, json: Flags.json },
  Effect.fn("cli.doctor")(function* (flags) {
    const toolchains: Readonly<Record<string, ReadonlyArray<Toolchain.CheckRow>>> = yield* check(flags)
    const machine = {
      opPipe: version,
      node: process.versions.node,
      cores: availableParallelism(),
      processor: cpus()[0]?.model ?? "unknown",
      memoryBytes: totalmem()
    }
    if (flags.json) return yield* printLine(JSON.stringify({ machine, toolchains }))
    const { opPipe, node, cores, processor, memoryBytes } = machine
    yield* printLine(
      `op-pipe ${opPipe}, Node.js ${node}, ${cores} cores (${processor}), ${(memoryBytes / 2 ** 30).toFixed(0)} GiB`
    )
    for (const [toolchain, rows] of Object.entries(toolchains)) {
      for (const row of rows) {
        const mark = row.available ? paint("green", "✓") : paint("yellow", "-")
        yield* printLine(`${mark} ${toolchain} ${paint("bold", row.name)}  ${row.detail}`)
        if (row.howToGet !== "") yield* printLine(`    ${row.howToGet}`)
      }
    }
  })
).pipe(Command.withDescription("Show versions, cores and toolchains, what is missing and how to get it"))
