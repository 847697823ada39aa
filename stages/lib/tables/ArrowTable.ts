/**
 * Arrow IPC files with one row per image, for Python and R.
 *
 * One record batch, uncompressed; the schema's metadata has `format` and `classes` (a JSON array). The same columns
 * give the same bytes.
 */
import {
  Schema as ArrowSchema,
  type Data,
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

/** A column of texts. */
export const texts = (values: ReadonlyArray<string>): Data => vectorFromArray(values, new Utf8()).data[0]!

/** The classes' names, by the labels of the rows. */
export const labelled = (labels: Int32Array, classes: ReadonlyArray<string>): Data =>
  texts(Array.from(labels, (label) => classes[label] ?? ""))

export const integers = (values: Int32Array): Data => makeData({ type: new Int32(), data: values })

/** A column of `rows` lists with `length` values each; `values` has them one after the other. */
export const lists = (values: Float32Array, rows: number, length: number): Data => {
  const type = new FixedSizeList(length, new Field("item", new Float32(), false))
  return makeData({ type, length: rows, nullCount: 0, child: makeData({ type: new Float32(), data: values }) })
}

/** The file's bytes. */
export const encode = (
  format: string,
  classes: ReadonlyArray<string>,
  columns: Readonly<Record<string, Data>>
): Uint8Array => {
  const fields = Object.entries(columns).map(([name, { type }]) => new Field(name, type, false))
  const metadata = new Map([
    ["format", format],
    ["classes", JSON.stringify(classes)]
  ])
  const schema = new ArrowSchema(fields, metadata)
  const children = Object.values(columns)
  const data = makeData({ type: new Struct(fields), length: children[0]?.length ?? 0, nullCount: 0, children })
  return tableToIPC(new Table(schema, [new RecordBatch(schema, data)]), "file")
}

const Classes = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Array(Schema.String)))

/** The columns of a file, by their names; an absent column is an empty one. */
export interface Columns {
  readonly classes: ReadonlyArray<string>
  readonly texts: (name: string) => ReadonlyArray<string>
  readonly integers: (name: string) => Int32Array
  /** All values of a column of lists, one after the other. */
  readonly values: (name: string) => Float32Array
  /** The length of its lists. */
  readonly listLength: (name: string) => number
}

/** Arrow pads buffers to eight bytes; the padding is cut off. */
const valuesOf = (table: Table, name: string): Float32Array => {
  const parts = (table.getChild(name)?.data ?? []).map((data) => {
    const values = data.children[0]?.values as Float32Array | undefined
    const { listSize } = data.type as FixedSizeList
    return values?.subarray(0, data.length * listSize) ?? new Float32Array(0)
  })
  return parts.length === 1 ? parts[0]! : Float32Array.from(parts.flatMap((part) => Array.from(part)))
}

/** None if the bytes are not a table of this format. */
export const decode = (format: string, bytes: Uint8Array): Option.Option<Columns> => {
  const table = tableFromIPC(bytes)
  const { metadata, fields } = table.schema
  const classes = Classes(metadata.get("classes"))
  if (metadata.get("format") !== format || Option.isNone(classes)) return Option.none()
  return Option.some({
    classes: classes.value,
    texts: (name) => Array.from(table.getChild(name) ?? [], (value) => String(value)),
    integers: (name) => Int32Array.from(table.getChild(name) ?? []),
    values: (name) => valuesOf(table, name),
    listLength: (name) => {
      const type = fields.find((field) => field.name === name)?.type
      return type instanceof FixedSizeList ? type.listSize : 0
    }
  })
}
