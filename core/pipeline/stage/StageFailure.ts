/** StageFailure: what a stage says of work that it could not do. */
import * as Schema from "effect/Schema"
import type { Fault } from "../../../cache/identity/Fault.ts"

/**
 * A stage could not do its work: bad data, a diverged training. `badInput` means that the user's input is at fault (exit code 2).
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Artifact, Stage } from "op-pipe"
 * import { runStage } from "op-pipe/testing"
 *
 * const Numbers = Artifact.json({ tag: "Numbers/v1", path: "numbers.json", schema: Schema.Array(Schema.Finite) })
 * const Mean = Artifact.json({ tag: "Mean/v1", path: "mean.json", schema: Schema.Finite })
 * const average = Stage.make({
 *   name: "average",
 *   source: import.meta.url,
 *   params: Schema.Struct({}),
 *   inputs: { numbers: Numbers },
 *   output: { mean: Mean },
 *   run: ({ inputs, output }) =>
 *     Effect.gen(function* () {
 *       const numbers = yield* inputs.numbers.read
 *       if (numbers.length === 0)
 *         return yield* new Stage.StageFailure({
 *           reason: "There is no mean",
 *           expected: "at least one number",
 *           actual: "none",
 *           badInput: true
 *         })
 *       yield* output.mean.write(numbers.reduce((a, b) => a + b, 0) / numbers.length)
 *     })
 * })
 *
 * const failure = Effect.flip(Effect.scoped(runStage(average, { inputs: { numbers: { value: [] } } })))
 * console.log((await Effect.runPromise(failure)).message) // There is no mean (expected at least one number, but found none)
 * ```
 */
export class StageFailure extends Schema.TaggedError<StageFailure>()("StageFailure", {
  reason: Schema.String,
  expected: Schema.optionalKey(Schema.String),
  actual: Schema.optionalKey(Schema.String),
  toDo: Schema.optionalKey(Schema.String),
  badInput: Schema.optionalKey(Schema.Boolean)
}) {
  get fault(): Fault {
    return this.badInput === true ? "input" : "stage"
  }

  override get message(): string {
    const versus =
      this.expected === undefined ? "" : ` (expected ${this.expected}, but found ${this.actual ?? "something else"})`
    return `${this.reason}${versus}${this.toDo === undefined ? "" : `. ${this.toDo}`}`
  }
}
