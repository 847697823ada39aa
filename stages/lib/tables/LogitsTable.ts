/**
 * The logits of every image under both networks, as an Arrow IPC file.
 *
 * `schemas/Logits.ts` describes columns and metadata, `ArrowTable.ts` the format.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { SplitName } from "../../../schemas/Names.ts"
import * as ArrowTable from "./ArrowTable.ts"

const format = "op-pipe/logits/v1"

export interface LogitsTable {
  readonly classes: ReadonlyArray<string>
  /** One per row. */
  readonly paths: ReadonlyArray<string>
  readonly labels: Int32Array
  readonly splits: ReadonlyArray<SplitName>
  /** rows x classes, row-major. */
  readonly bn: Float32Array
  readonly nobn: Float32Array
}

export const encode = ({ classes, paths, labels, splits, bn, nobn }: LogitsTable): Uint8Array =>
  ArrowTable.encode(format, classes, {
    path: ArrowTable.texts(paths),
    class: ArrowTable.labelled(labels, classes),
    split: ArrowTable.texts(splits),
    label: ArrowTable.integers(labels),
    logitsBn: ArrowTable.lists(bn, paths.length, classes.length),
    logitsNobn: ArrowTable.lists(nobn, paths.length, classes.length)
  })

const isSplit = Schema.is(SplitName)

/** None if the bytes are not a table of this kind. */
export const decode = (bytes: Uint8Array): Option.Option<LogitsTable> =>
  Option.map(ArrowTable.decode(format, bytes), ({ classes, texts, integers, values }) => ({
    classes,
    paths: texts("path"),
    labels: integers("label"),
    splits: texts("split").filter((split) => isSplit(split)),
    bn: values("logitsBn"),
    nobn: values("logitsNobn")
  }))
