/**
 * The values of the last hidden layer for each test image, after its ReLU. Maps of them (here by PCA) show which images
 * the network takes to be alike.
 *
 * The values come from the feature extractor (`stages/lib/network/FeatureExtractor.ts`). `penultimate.arrow` has one
 * row per test image, in the order of the index: `path` and `class` (utf8), `label` (int32), `bn` and `nobn`
 * (fixed-size list of float32, one per unit).
 *
 * Gotcha: a network without a hidden dense layer has no such values; its list is empty.
 */
import * as Option from "effect/Option"
import type { VariantName } from "../../../schemas/Names.ts"
import * as ArrowTable from "./ArrowTable.ts"

const format = "op-pipe/penultimate/v1"

/** Values of one network: rows x units, row-major. */
export interface Values {
  readonly units: number
  readonly data: Float32Array
}

export interface PenultimateTable {
  readonly classes: ReadonlyArray<string>
  /** One per row. */
  readonly paths: ReadonlyArray<string>
  readonly labels: Int32Array
  readonly values: Readonly<Record<VariantName, Values>>
}

/** The same rows give the same bytes. */
export const encode = ({ classes, paths, labels, values: { bn, nobn } }: PenultimateTable): Uint8Array =>
  ArrowTable.encode(format, classes, {
    path: ArrowTable.texts(paths),
    class: ArrowTable.labelled(labels, classes),
    label: ArrowTable.integers(labels),
    bn: ArrowTable.lists(bn.data, paths.length, bn.units),
    nobn: ArrowTable.lists(nobn.data, paths.length, nobn.units)
  })

/** None if the bytes are not a table of this kind. */
export const decode = (bytes: Uint8Array): Option.Option<PenultimateTable> =>
  Option.map(ArrowTable.decode(format, bytes), ({ classes, texts, integers, values, listLength }) => {
    const valuesOf = (column: VariantName): Values => ({ units: listLength(column), data: values(column) })
    return {
      classes,
      paths: texts("path"),
      labels: integers("label"),
      values: { bn: valuesOf("bn"), nobn: valuesOf("nobn") }
    }
  })
