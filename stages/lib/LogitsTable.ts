/**
 * LogitsTable: the logits of every picture under both networks, as an Arrow IPC file that Python and R read.
 *
 * One record batch, uncompressed, one row a picture. The same rows give the same bytes. Columns and metadata are
 * described in `schemas/Logits.ts`.
 */
import {
  Schema as ArrowSchema,
  Field,
  FixedSizeList,
  Float32,
  Int32,
  makeData,
  RecordBatch,
  Struct,
  Table,
  tableFromIPC,
  tableToIPC,
  Utf8,
  vectorFromArray
} from "apache-arrow"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { SplitName } from "../../schemas/Split.ts"

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

const fields = (classes: number) => {
  const list = new FixedSizeList(classes, new Field("item", new Float32(), false))
  return [
    new Field("path", new Utf8(), false),
    new Field("class", new Utf8(), false),
    new Field("split", new Utf8(), false),
    new Field("label", new Int32(), false),
    new Field("logitsBn", list, false),
    new Field("logitsNobn", list, false)
  ]
}

/** A column of texts. */
export const utf8 = (values: ReadonlyArray<string>) => vectorFromArray(values, new Utf8()).data[0]!

/** A column of `rows` lists of equal length, out of their values one after the other. */
export const lists = (values: Float32Array, rows: number, type: FixedSizeList<Float32>) =>
  makeData({ type, length: rows, nullCount: 0, child: makeData({ type: new Float32(), data: values }) })

export const encode = (table: LogitsTable): Uint8Array => {
  const { classes, paths, labels, splits, bn, nobn } = table
  const rows = paths.length
  const columns = fields(classes.length)
  const list = columns[4]!.type as FixedSizeList<Float32>
  const metadata = new Map([
    ["format", format],
    ["classes", JSON.stringify(classes)]
  ])
  const schema = new ArrowSchema(columns, metadata)
  const children = [
    utf8(paths),
    utf8(Array.from(labels, (label) => classes[label] ?? "")),
    utf8(splits),
    makeData({ type: new Int32(), data: labels }),
    lists(bn, rows, list),
    lists(nobn, rows, list)
  ]
  const data = makeData({ type: new Struct(columns), length: rows, nullCount: 0, children })
  return tableToIPC(new Table(schema, [new RecordBatch(schema, data)]), "file")
}

/** The names of the classes, out of the metadata. */
export const Classes = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Array(Schema.String)))
const isSplit = Schema.is(SplitName)

/** The texts of a column. */
export const strings = (table: Table, column: string): ReadonlyArray<string> =>
  Array.from(table.getChild(column) ?? [], (value) => String(value))

/** The values of a column of lists, one after the other. Arrow pads buffers to eight bytes; what is beyond the last list is cut off. */
export const floats = (table: Table, column: string): Float32Array => {
  const parts = (table.getChild(column)?.data ?? []).map((data) => {
    const values = data.children[0]?.values as Float32Array | undefined
    const { listSize } = data.type as FixedSizeList
    return values?.subarray(0, data.length * listSize) ?? new Float32Array(0)
  })
  return parts.length === 1 ? parts[0]! : Float32Array.from(parts.flatMap((part) => Array.from(part)))
}

/** None if the bytes are not a table of this kind. */
export const decode = (bytes: Uint8Array): Option.Option<LogitsTable> => {
  const table = tableFromIPC(bytes)
  const classes = Classes(table.schema.metadata.get("classes"))
  if (table.schema.metadata.get("format") !== format || Option.isNone(classes)) return Option.none()
  const splits = strings(table, "split").filter((split) => isSplit(split))
  return Option.some({
    classes: classes.value,
    paths: strings(table, "path"),
    labels: Int32Array.from(table.getChild("label") ?? []),
    splits,
    bn: floats(table, "logitsBn"),
    nobn: floats(table, "logitsNobn")
  })
}
