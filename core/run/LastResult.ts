/** LastResult: the last result of a step, out of the store, for programs that go on with it. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Disk, type DiskError } from "../../cache/store/Disk.ts"
import type { StepResult } from "../../cache/store/ResultStore.ts"
import { Store } from "../../cache/store/Store.ts"
import { displayName } from "../pipeline/Step.ts"

/**
 * The step has no result, or a blob of it is gone.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Artifact, Pipeline, Stage } from "op-pipe"
 * import { run } from "op-pipe/run"
 *
 * const Hello = Artifact.file({ tag: "Hello/v1", path: "hello.txt" })
 * const hello = Pipeline.step(
 *   Stage.command({ name: "hello", command: 'printf hello > "$text"', inputs: {}, output: { text: Hello } }),
 *   { inputs: {} }
 * )
 * const pipeline = Pipeline.make({ name: "greeting", steps: [hello] })
 *
 * const other = Pipeline.step(
 *   Stage.command({ name: "other", command: 'printf other > "$text"', inputs: {}, output: { text: Hello } }),
 *   { inputs: {} }
 * )
 * const said = Effect.gen(function* () {
 *   const result = yield* run(pipeline)
 *   return yield* Effect.flip(result.read(other.out.text))
 * })
 * console.log((await Effect.runPromise(said))._tag) // NoResult
 * ```
 */
export class NoResult extends Schema.TaggedError<NoResult>()("NoResult", { step: Schema.String }) {
  readonly fault = "input"

  override get message(): string {
    return `expected a result of ${displayName(this.step)}, but found none. Run \`op-pipe run\` first`
  }
}

/** The last result of a step, as `lastResult` gives it. */
export interface LastResult {
  readonly step: string
  readonly key: string
  /** The parameters that it was made with, as the stage's Schema encodes them. */
  readonly params: Readonly<Record<string, unknown>>
  readonly provenance: StepResult["provenance"]
  /** The bytes of a one-file output or a document. */
  readonly bytes: (output: string) => Effect.Effect<Uint8Array, NoResult | DiskError>
  /** The value of a document. */
  readonly read: <A, I>(
    output: string,
    schema: Schema.Codec<A, I>
  ) => Effect.Effect<A, NoResult | DiskError | Schema.SchemaError>
}

/**
 * The last result of `step` in the store that is open, all of its blobs there and undamaged. Fails with `NoResult`.
 *
 * @example
 * ```ts
 * import * as Command from "effect/cli/Command"
 * import * as Effect from "effect/Effect"
 * import { lastResult, printLine, projectFlags, withStore } from "op-pipe/cli"
 *
 * export const verb = Command.make("head", projectFlags, (flags) =>
 *   withStore(flags, () => Effect.flatMap(lastResult("count"), ({ key }) => printLine(key)))
 * )
 * console.log(verb.name) // head
 * ```
 */
export const of = Effect.fn("LastResult.of")(function* (step: string) {
  const disk = yield* Disk
  const { blobs, results } = yield* Store
  const last = yield* results.last(step)
  if (Option.isNone(last)) return yield* new NoResult({ step })
  const result = yield* results.usable(last.value.key)
  if (typeof result === "string") return yield* new NoResult({ step })
  const bytes: LastResult["bytes"] = Effect.fnUntraced(
    function* (output) {
      const entry = result.outputs[output]?.entries[0]
      const blob = entry?.kind === "file" ? yield* blobs.verified(entry.digest) : Option.none<string>()
      if (Option.isNone(blob)) return yield* new NoResult({ step })
      return yield* disk.read(blob.value)
    },
    Effect.provideService(Disk, disk)
  )
  const found: LastResult = {
    step,
    key: result.key,
    params: result.ingredients.params,
    provenance: result.provenance,
    bytes,
    read: (output, schema) =>
      Effect.flatMap(bytes(output), (read) =>
        Schema.decodeUnknownEffect(Schema.fromJsonString(schema as Schema.Codec<never, unknown>))(
          new TextDecoder().decode(read)
        )
      )
  }
  return found
})
