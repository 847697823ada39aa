/**
 * The logits of the test images under the networks of the further seeds: `seed-logits.arrow`.
 *
 * One row per further seed and test image, seed by seed, each in the order of the index: `path` and `class` (utf8), `label` and
 * `seed` (int32; the second seed is 2), `logitsBn` and `logitsNobn` (fixed-size list of float32, one per class). With one seed
 * there are no rows.
 */
import * as Option from "effect/Option"
import type { VariantName } from "../../../schemas/Names.ts"
import * as ArrowTable from "./ArrowTable.ts"

const format = "op-pipe/seed-logits/v1"

/** Logits of the test images, rows x classes, row-major. */
export type SeedLogits = Readonly<Record<VariantName, Float32Array>>

export interface SeedLogitsTable {
  readonly classes: ReadonlyArray<string>
  /** Of the test images. */
  readonly paths: ReadonlyArray<string>
  readonly labels: Int32Array
  /** Of the second seed, the third, and so on. */
  readonly seeds: ReadonlyArray<SeedLogits>
}

const joined = (parts: ReadonlyArray<Float32Array>): Float32Array => {
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** The same rows give the same bytes. */
export const encode = ({ classes, paths, labels, seeds }: SeedLogitsTable): Uint8Array => {
  const rows = seeds.length * paths.length
  const every = Int32Array.from({ length: rows }, (_, row) => labels[row % paths.length]!)
  const numbers = Int32Array.from({ length: rows }, (_, row) => 2 + Math.floor(row / paths.length))
  const logits = (variant: VariantName) => joined(seeds.map((each) => each[variant]))
  return ArrowTable.encode(format, classes, {
    path: ArrowTable.texts(seeds.flatMap(() => paths)),
    class: ArrowTable.labelled(every, classes),
    label: ArrowTable.integers(every),
    seed: ArrowTable.integers(numbers),
    logitsBn: ArrowTable.lists(logits("bn"), rows, classes.length),
    logitsNobn: ArrowTable.lists(logits("nobn"), rows, classes.length)
  })
}

/** The logits by seed. None if the bytes are not a table of this kind. */
export const decode = (bytes: Uint8Array): Option.Option<ReadonlyArray<SeedLogits>> =>
  Option.map(ArrowTable.decode(format, bytes), ({ classes, integers, values }) => {
    const numbers = integers("seed")
    const [bn, nobn] = [values("logitsBn"), values("logitsNobn")]
    return [...new Set(numbers)].map((number) => {
      const first = numbers.indexOf(number) * classes.length
      const end = (numbers.lastIndexOf(number) + 1) * classes.length
      return { bn: bn.subarray(first, end), nobn: nobn.subarray(first, end) }
    })
  })
