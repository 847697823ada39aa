/** StoredResult: the result of a step in the store, if the step can use it as it is declared now. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Digest from "../../cache/identity/Digest.ts"
import type * as ResultStore from "../../cache/store/ResultStore.ts"
import type { Output, StepResult } from "../../cache/store/ResultStore.ts"
import { Store } from "../../cache/store/Store.ts"
import type * as Artifact from "../pipeline/Artifact.ts"
import * as Document from "../pipeline/Document.ts"
import type { AnyStep } from "../pipeline/Step.ts"

/** Why there is no result to use. */
export type Unusable = ResultStore.Unusable | "outdated"

const declared = (step: AnyStep): Readonly<Record<string, Artifact.Any>> => step.stage.output

/** The result with the step's current choice of outputs to materialize, which is not part of a key. */
export const asDeclared = (step: AnyStep, result: StepResult): StepResult => {
  const outputs = Object.entries(result.outputs)
  const layOutOf = ([name, output]: readonly [string, Output]): boolean =>
    declared(step)[name]?.materialize ?? output.layOut
  if (outputs.every((each) => layOutOf(each) === each[1].layOut)) return result
  return {
    ...result,
    outputs: Object.fromEntries(outputs.map((each) => [each[0], { ...each[1], layOut: layOutOf(each) }]))
  }
}

/**
 * Whether documents of a result must be decoded before it is used. The key of a module's step holds the schemas of its
 * documents, as code; the key of a command's does not.
 */
export const decodesDocuments = (step: AnyStep): boolean =>
  step.stage._tag === "Command" && Object.values(declared(step)).some(({ kind }) => kind === "json")

/** The result under `key`, or why it cannot be used. */
export const find = Effect.fnUntraced(function* (step: AnyStep, key: Digest.Digest) {
  const { blobs, results } = yield* Store
  const found = yield* results.usable(key)
  if (typeof found === "string") return found satisfies Unusable
  const result = asDeclared(step, found)
  if (!decodesDocuments(step)) return result
  for (const [name, artifact] of Object.entries(declared(step))) {
    const [entry] = result.outputs[name]?.entries ?? []
    if (artifact.kind !== "json" || entry?.kind !== "file") continue
    const blob = yield* blobs.verified(entry.digest)
    if (Option.isNone(blob)) return "damaged" satisfies Unusable
    const fits = yield* Effect.isSuccess(Document.digest(artifact, blob.value))
    if (!fits) return "outdated" satisfies Unusable
  }
  return result
})
