/** Trainings that leave the finite numbers. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** A loss, a norm or a weight became NaN or infinite: nothing can be learned from there on. */
export class Diverged extends Schema.TaggedError<Diverged>()("Diverged", {
  epoch: Schema.Int,
  /** The batch after which it was seen, from 0. */
  batchIndex: Schema.Int,
  what: Schema.String,
  actual: Schema.Number,
  learningRate: Schema.Number
}) {
  override get message(): string {
    return (
      `epoch ${this.epoch}, batch ${this.batchIndex}: expected a finite ${this.what}, but it is ${this.actual}. ` +
      `The training diverged. Lower the learning rate (train.learningRate), which was ${this.learningRate}.`
    )
  }
}

/** Fails on the first value that is not finite. */
export const checkFinite = (
  values: Readonly<Record<string, number>>,
  { epoch, batchIndex, learningRate }: Pick<Diverged, "epoch" | "batchIndex" | "learningRate">
): Effect.Effect<void, Diverged> => {
  const found = Object.entries(values).find(([, value]) => !Number.isFinite(value))
  if (found === undefined) return Effect.void
  const [what, actual] = found
  return Effect.fail(new Diverged({ epoch, batchIndex, what, actual, learningRate }))
}
