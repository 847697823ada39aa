/** Trainings that leave the finite numbers. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { NamedTensor } from "../tables/Safetensors.ts"

/** A loss, a norm or a weight became NaN or infinite: nothing can be learned from there on. */
export class Diverged extends Schema.TaggedError<Diverged>()("Diverged", {
  epoch: Schema.Int,
  /** The batch after which it was seen, from 0. */
  batchIndex: Schema.Int,
  what: Schema.String,
  actual: Schema.Number,
  learningRate: Schema.Number,
  /** Else to lower the learning rate. */
  toDo: Schema.optionalKey(Schema.String),
  /** What was learned before, where there was anything. */
  kept: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    const { toDo = `Lower the learning rate (train.learningRate), which was ${this.learningRate}.`, kept } = this
    return [
      `epoch ${this.epoch}, batch ${this.batchIndex}: expected a finite ${this.what}, but it is ${this.actual}.`,
      "The training diverged.",
      toDo,
      ...(kept === undefined ? [] : [kept])
    ].join(" ")
  }
}

/** The first value of the tensors that is not finite. */
export const nonFinite = (
  tensors: ReadonlyArray<NamedTensor>
): Option.Option<readonly [tensor: string, value: number]> => {
  for (const { name, data } of tensors) {
    if (!(data instanceof Float32Array)) continue
    // the sum of finite single-precision values is finite in double precision
    if (Number.isFinite(data.reduce((sum, value) => sum + value, 0))) continue
    return Option.some([name, data.find((value) => !Number.isFinite(value))!])
  }
  return Option.none()
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
