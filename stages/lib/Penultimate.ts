/**
 * Penultimate: what the last hidden layer of a network gives for each test picture, after its ReLU. It is what the network has made
 * of a picture before it decides; maps of it (by PCA here, by others as one likes) show what it takes to be alike.
 *
 * The values come out of the *trunk*, the network cut after that layer. `penultimate.arrow` is an Arrow IPC file,
 * uncompressed, one record batch, one row a test picture in the order of the index: `path` and `class` (utf8), `label`
 * (int32), `bn` and `nobn` (fixed-size list of float32, one per unit). The schema's metadata has `classes` (a JSON array) and `format`.
 *
 * Gotcha: a network without a hidden dense layer has no such values; its list is empty.
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
  Utf8
} from "apache-arrow"
import * as Option from "effect/Option"
import type { VariantName } from "../../schemas/Compare.ts"
import type { NetworkSpec } from "../../schemas/Network.ts"
import type { TrainedNetwork } from "../../schemas/Train.ts"
import { Classes, floats, lists, strings, utf8 } from "./LogitsTable.ts"

const format = "op-pipe/penultimate/v1"

/** A network cut after its last hidden layer, whose values before the ReLU come out as logits do. */
export interface Trunk {
  readonly spec: NetworkSpec
  readonly units: number
  /** Whether a ReLU follows. */
  readonly relu: boolean
}

/** None when no dense layer stands before the last. */
export const trunkOf = ({ spec, classes }: Pick<TrainedNetwork, "spec" | "classes">): Option.Option<Trunk> => {
  const { layers, name } = spec
  const at = layers.findLastIndex((layer, i) => layer.type === "dense" && i < layers.length - 1)
  const hidden = layers[at]
  if (hidden?.type !== "dense") return Option.none()
  const [first, ...rest] = [...layers.slice(0, at), { type: "dense", units: "classes" } as const]
  return Option.some({
    spec: { name: `${name}-trunk`, layers: [first!, ...rest] },
    units: hidden.units === "classes" ? classes.length : hidden.units,
    relu: layers.slice(at + 1).some((layer) => layer.type === "relu")
  })
}

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

const listOf = (units: number) => new FixedSizeList(units, new Field("item", new Float32(), false))

/** The same rows give the same bytes. */
export const encode = ({ classes, paths, labels, values }: PenultimateTable): Uint8Array => {
  const types = { bn: listOf(values.bn.units), nobn: listOf(values.nobn.units) }
  const columns = [
    new Field("path", new Utf8(), false),
    new Field("class", new Utf8(), false),
    new Field("label", new Int32(), false),
    new Field("bn", types.bn, false),
    new Field("nobn", types.nobn, false)
  ]
  const metadata = new Map([
    ["format", format],
    ["classes", JSON.stringify(classes)]
  ])
  const schema = new ArrowSchema(columns, metadata)
  const children = [
    utf8(paths),
    utf8(Array.from(labels, (label) => classes[label] ?? "")),
    makeData({ type: new Int32(), data: labels }),
    lists(values.bn.data, paths.length, types.bn),
    lists(values.nobn.data, paths.length, types.nobn)
  ]
  const data = makeData({ type: new Struct(columns), length: paths.length, nullCount: 0, children })
  return tableToIPC(new Table(schema, [new RecordBatch(schema, data)]), "file")
}

/** None if the bytes are not a table of this kind. */
export const decode = (bytes: Uint8Array): Option.Option<PenultimateTable> => {
  const table = tableFromIPC(bytes)
  const classes = Classes(table.schema.metadata.get("classes"))
  if (table.schema.metadata.get("format") !== format || Option.isNone(classes)) return Option.none()
  const valuesOf = (column: VariantName): Values => {
    const type = table.schema.fields.find(({ name }) => name === column)?.type
    return { units: type instanceof FixedSizeList ? type.listSize : 0, data: floats(table, column) }
  }
  return Option.some({
    classes: classes.value,
    paths: strings(table, "path"),
    labels: Int32Array.from(table.getChild("label") ?? []),
    values: { bn: valuesOf("bn"), nobn: valuesOf("nobn") }
  })
}
