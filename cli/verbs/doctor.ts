/** `op-pipe doctor`: what is here, what is missing, and how to get it. */
import { availableParallelism, cpus, totalmem } from "node:os"
import * as path from "node:path"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Layout from "../../cache/store/Layout.ts"
import { availability } from "../../core/executor/Sandbox.ts"
import type * as Toolchain from "../../core/pipeline/Toolchain.ts"
import { version } from "../../core/run/Provenance.ts"
import * as Gpus from "../../core/run/step/Gpus.ts"
import { paint, printLine } from "../Console.ts"
import * as Flags from "../Flags.ts"
import { printJson } from "../json/Shapes.ts"
import * as Project from "../Project.ts"

/** The rows of each toolchain that the pipeline in reach checks, by the toolchain's name; none without a pipeline. */
const check = Effect.fnUntraced(function* (flags: Project.ProjectFlags) {
  const hasPipeline = flags.file !== undefined || Project.findAbove(process.cwd()) !== undefined
  if (!hasPipeline) return {}
  const { pipeline, storeDir } = yield* Project.open(flags)
  const layout = Layout.make(storeDir)
  const checks = yield* Effect.promise(() => pipeline.checks())
  const checked = yield* Effect.forEach(Object.entries(checks), ([name, check]) =>
    Effect.map(check({ cacheDir: layout.toolchain(name) }), (rows) => [name, rows] as const)
  )
  return Object.fromEntries(checked)
})

const lines = (
  of: string,
  { name, available, detail, howToGet }: Pick<Toolchain.CheckRow, "name" | "available" | "detail" | "howToGet">
): ReadonlyArray<string> => {
  const mark = available ? paint("green", "✓") : paint("yellow", "-")
  return [`${mark} ${of} ${paint("bold", name)}  ${detail}`, ...(howToGet === "" ? [] : [`    ${howToGet}`])]
}

/** Where `run --on` may have steps done, from here. */
const executors = (flags: Project.ProjectFlags) =>
  Effect.gen(function* () {
    const file = flags.file ?? Project.findAbove(process.cwd())
    const { rows } = yield* Effect.promise(() => import("../on/Doctor.ts"))
    return yield* rows(file === undefined ? undefined : path.dirname(path.resolve(file)))
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
      memoryBytes: totalmem(),
      gpus: Gpus.names()
    }
    const sandbox = availability()
    const clusters = yield* executors(flags)
    if (flags.json) return yield* printJson("doctor", { machine, sandbox, executors: clusters, toolchains })
    const { opPipe, node, cores, processor, memoryBytes, gpus } = machine
    const graphics = gpus.length === 0 ? "" : `, ${gpus.length === 1 ? "GPU" : "GPUs"} ${gpus.join(", ")}`
    yield* printLine(
      `op-pipe ${opPipe}, Node.js ${node}, ${cores} cores (${processor}), ${(memoryBytes / 2 ** 30).toFixed(0)} GiB${graphics}`
    )
    for (const line of lines("sandbox", { ...sandbox, name: "bubblewrap" })) yield* printLine(line)
    for (const line of clusters.flatMap((row) => lines("run --on", row))) yield* printLine(line)
    for (const [toolchain, rows] of Object.entries(toolchains)) {
      for (const line of rows.flatMap((row) => lines(toolchain, row))) yield* printLine(line)
    }
  })
).pipe(Command.withDescription("Show versions, cores and toolchains, what is missing and how to get it"))
