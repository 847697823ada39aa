/** Inputs: lays out what a step reads, where it finds it. */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { Disk } from "../../../cache/store/Disk.ts"
import type { StepResult } from "../../../cache/store/ResultStore.ts"
import { Store } from "../../../cache/store/Store.ts"
import { StepError, stepUmask } from "../../executor/Executor.ts"
import type * as ArtifactIO from "../../pipeline/ArtifactIO.ts"
import * as Order from "../../pipeline/many/Order.ts"
import { type AnyStep, inputOf } from "../../pipeline/Step.ts"
import { outputOf, type Prepared, sourceOf } from "../../plan/Prepared.ts"
import * as Sources from "../../plan/Sources.ts"
import * as Materialize from "../Materialize.ts"

type AnyPort = AnyStep["inputs"][string]

/** Where an input lies; of one of many, its entry in the folder of these. */
interface Laid {
  readonly key: string
  readonly at: string
  readonly entry: ArtifactIO.Entry | undefined
}

/** So many are laid out at once: a step may read thousands, and each waits for the disk. */
const atOnce = 16

/** Lays out the inputs of `step` below `folder`; those of many in one folder, each under its name. */
export const provide = Effect.fnUntraced(function* (
  prepared: Prepared,
  results: ReadonlyMap<string, StepResult>,
  step: AnyStep,
  folder: string
) {
  const [disk, { blobs }] = [yield* Disk, yield* Store]
  const one = Effect.fnUntraced(function* ([key, port]: readonly [string, AnyPort]) {
    const source = sourceOf(prepared, port)
    if (source !== undefined) {
      // an entry may be a link
      const at = port.entry === undefined ? source.path : yield* disk.realPath(source.path)
      return [{ key, at, entry: undefined }] satisfies ReadonlyArray<Laid>
    }
    const output = outputOf(prepared, port, results)
    if (output === undefined && port.artifact.optional) return []
    if (output === undefined) {
      const reason = `${Sources.portName(port)} is not there`
      return yield* new StepError({ step: step.id, fault: "bug", reason, log: null })
    }
    const part = prepared.parts.get(port)
    if (part?.type === "output" && part.text !== undefined) yield* blobs.put(part.text)
    const { input, entry } = inputOf(key)
    const to = path.join(folder, input, ...(entry === undefined ? [] : entry.split("/")))
    const at = yield* Materialize.provideInput(output, port.artifact, to, step.stage._tag)
    const named = entry === undefined ? undefined : { name: entry, path: path.posix.join(entry, output.path) }
    return [{ key: input, at, entry: named }] satisfies ReadonlyArray<Laid>
  })
  const inputs: Record<string, string> = {}
  const entries: Record<string, Array<ArtifactIO.Entry>> = {}
  for (const input of Object.keys(step.many)) {
    inputs[input] = path.join(folder, input)
    entries[input] = []
    yield* disk.makeFolder(inputs[input], stepUmask)
  }
  const laid = yield* Effect.forEach(Object.entries(step.inputs), one, { concurrency: atOnce })
  for (const { key, at, entry } of laid.flat()) {
    if (entry === undefined) inputs[key] = at
    else entries[key]!.push(entry)
  }
  // whatever they were wired in: a key does not hold that
  for (const each of Object.values(entries)) each.sort((a, b) => Order.compare(a.name, b.name))
  return { inputs, entries }
})
