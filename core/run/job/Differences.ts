/**
 * Differences: in what this machine is not as a key says. Its runtime, toolchains, programs and interpreters are identified here
 * anew, all of them: a processor of another vendor computes other last bits with the same instructions.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Programs from "../../../cache/code/Programs.ts"
import * as CacheKey from "../../../cache/identity/CacheKey.ts"
import { Disk } from "../../../cache/store/Disk.ts"
import { Store } from "../../../cache/store/Store.ts"
import type { Machine } from "../../executor/remote/Order.ts"
import type { StepTask } from "../../executor/StepTask.ts"
import type { Pipeline } from "../../pipeline/Pipeline.ts"
import type * as Toolchain from "../../pipeline/Toolchain.ts"
import * as Python from "../../plan/code/Python.ts"
import { codeIdOf } from "../../plan/Prepared.ts"
import { toolchainsOf } from "../../plan/Settings.ts"

export interface Difference {
  readonly what: string
  readonly expected: string
  readonly actual: string
}

type Values = Readonly<Record<string, unknown>>

const textOf = (value: unknown): string =>
  value === undefined ? "absent" : typeof value === "string" ? value : JSON.stringify(value)

/** The leaves in which two values differ. */
const between = (what: string, expected: unknown, actual: unknown): ReadonlyArray<Difference> => {
  const isObject = (value: unknown): value is Values => typeof value === "object" && value !== null
  if (isObject(expected) && isObject(actual)) {
    const names = Array.from(new Set([...Object.keys(expected), ...Object.keys(actual)]))
    return names.flatMap((name) => between(`${what} ${name}`, expected[name], actual[name]))
  }
  if (JSON.stringify(expected) === JSON.stringify(actual)) return []
  return [{ what, expected: textOf(expected), actual: textOf(actual) }]
}

const ofToolchains = Effect.fnUntraced(function* (
  pipeline: Pipeline,
  { toolchains, cores }: Machine,
  notify: (line: string) => void
) {
  const { layout } = yield* Store
  const known: Readonly<Record<string, Toolchain.Any>> = toolchainsOf(pipeline)
  const found = yield* Effect.forEach(Object.entries(toolchains), ([name, { params, identity }]) =>
    Effect.gen(function* () {
      const toolchain = known[name]
      if (toolchain === undefined) return [{ what: `toolchain ${name}`, expected: "declared", actual: "absent" }]
      const decoding = Schema.decodeUnknownEffect(toolchain.params as Schema.Codec<unknown, unknown>)(params)
      const decoded = yield* Effect.orDie(decoding)
      const own: unknown = yield* toolchain.identify(decoded, { cores, notify, cacheDir: layout.toolchain(name) })
      const encoding = Schema.encodeEffect(toolchain.identity as Schema.Codec<unknown, unknown>)(own)
      return between(name, identity, JSON.parse(JSON.stringify(yield* Effect.orDie(encoding))))
    })
  )
  return found.flat()
})

const ofPrograms = Effect.fnUntraced(function* ({ work }: StepTask, programs: Machine["programs"]) {
  const [disk, { memo }] = [yield* Disk, yield* Store]
  // what is known of files by their stats is known of another machine's
  const digest = (file: string) => Effect.map(disk.hash(file), (found) => found.digest)
  const digestOf = Programs.make({ ...memo, digest })
  const own = work.type === "command" ? work.env["PATH"] : undefined
  const searchPath = own ?? process.env["PATH"] ?? "/usr/bin:/bin"
  const found = yield* Effect.forEach(Object.entries(programs), ([name, expected]) =>
    Effect.map(digestOf(name, searchPath), (actual) =>
      between(`program ${name}`, expected.slice(0, 12), actual?.slice(0, 12))
    )
  )
  return found.flat()
})

const ofPython = Effect.fnUntraced(function* (pipeline: Pipeline, root: string, { python }: Machine) {
  if (python === null) return []
  const step = pipeline.steps.find(({ stage }) => codeIdOf(stage) === python.id)
  if (step === undefined) return [{ what: `the script ${python.id}`, expected: "declared", actual: "absent" }]
  const [found] = yield* Python.identities([step], root)
  const actual = found?.[1].text ?? "null"
  return actual === python.identity ? [] : between("Python's", JSON.parse(python.identity), JSON.parse(actual))
})

/** In what this machine differs from what the key of a task says; nothing where the task may be done here. */
export const of = Effect.fn("Differences.of")(function* (
  pipeline: Pipeline,
  root: string,
  task: StepTask,
  machine: Machine,
  notify: (line: string) => void
) {
  const all: ReadonlyArray<Difference> = [
    ...between("the runtime's", machine.runtime, CacheKey.runtime),
    ...(yield* ofToolchains(pipeline, machine, notify)),
    ...(yield* ofPrograms(task, machine.programs)),
    ...(yield* ofPython(pipeline, root, machine))
  ]
  return all
})
