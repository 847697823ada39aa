/**
 * The safetensors format (https://github.com/huggingface/safetensors, "Format"): a little-endian u64 length, a JSON
 * header of that length, then the tensors' bytes. F32 and I64 only, which is what a network's state needs.
 *
 * Deterministic: the same tensors in the same order give the same bytes. The header is padded with spaces so that the
 * data begin at a multiple of 8 bytes, as the reference implementation does.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** Row-major; `data` has as many elements as the product of `shape` (a scalar has shape `[]` and one element). */
export type NamedTensor =
  | { readonly name: string; readonly shape: ReadonlyArray<number>; readonly dtype: "F32"; readonly data: Float32Array }
  | {
      readonly name: string
      readonly shape: ReadonlyArray<number>
      readonly dtype: "I64"
      readonly data: BigInt64Array
    }

/** Bytes that are not a safetensors file, or hold an unsupported type. */
export class SafetensorsError extends Schema.TaggedError<SafetensorsError>()("SafetensorsError", {
  expected: Schema.String,
  actual: Schema.String
}) {
  override get message(): string {
    return `safetensors: expected ${this.expected}, but ${this.actual}. Write the file again with \`encode\`.`
  }
}

const Header = Schema.Record(
  Schema.String,
  Schema.Struct({
    dtype: Schema.Literals(["F32", "I64"]),
    shape: Schema.Array(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
    data_offsets: Schema.Tuple([Schema.Int, Schema.Int])
  })
)

const bytesPerElement = { F32: 4, I64: 8 } as const
const maximumHeaderBytes = 100_000_000

const elements = (shape: ReadonlyArray<number>): number => shape.reduce((n, d) => n * d, 1)

/** A tensor without its values. */
export type TensorSpec = Pick<NamedTensor, "name" | "shape" | "dtype">

export interface Layout {
  /** The file; its tensors are zeros until the views are filled. */
  readonly bytes: Uint8Array
  /** Views of the tensors inside `bytes`, in the order they were given in. */
  readonly tensors: ReadonlyArray<NamedTensor>
}

const byteLength = ({ shape, dtype }: TensorSpec): number => elements(shape) * bytesPerElement[dtype]

/** The header, and room for the tensors behind it. */
const withHeader = (specs: ReadonlyArray<TensorSpec>, metadata: Readonly<Record<string, string>>): Uint8Array => {
  const header: Array<readonly [string, unknown]> = []
  const keys = Object.keys(metadata).sort()
  if (keys.length > 0) header.push(["__metadata__", Object.fromEntries(keys.map((key) => [key, metadata[key]]))])
  let end = 0
  for (const spec of specs) {
    const from = end
    end += byteLength(spec)
    header.push([spec.name, { dtype: spec.dtype, shape: spec.shape, data_offsets: [from, end] }])
  }
  // not one object, in which keys that look like numbers would come first
  const entries = header.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
  const json = new TextEncoder().encode(`{${entries.join(",")}}`)
  const padded = Math.ceil(json.length / 8) * 8
  const bytes = new Uint8Array(8 + padded + end)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true)
  bytes.fill(0x20, 8, 8 + padded)
  bytes.set(json, 8)
  return bytes
}

/** Where the first tensor begins. */
const dataStart = (bytes: Uint8Array, specs: ReadonlyArray<TensorSpec>): number =>
  bytes.length - specs.reduce((n, spec) => n + byteLength(spec), 0)

/**
 * The file of the given tensors, to be filled in place: for states of hundreds of megabytes, which should not be copied.
 * Gotcha: I64 tensors must come before F32 ones, or their views would not be aligned (a RangeError).
 */
export const layout = (specs: ReadonlyArray<TensorSpec>, metadata: Readonly<Record<string, string>> = {}): Layout => {
  const bytes = withHeader(specs, metadata)
  let at = dataStart(bytes, specs)
  const tensors = specs.map((spec): NamedTensor => {
    const { name, shape, dtype } = spec
    const from = at
    at += byteLength(spec)
    return dtype === "F32"
      ? { name, shape, dtype, data: new Float32Array(bytes.buffer, from, elements(shape)) }
      : { name, shape, dtype, data: new BigInt64Array(bytes.buffer, from, elements(shape)) }
  })
  return { bytes, tensors }
}

/** One file's bytes. `metadata` goes under `__metadata__`, its keys sorted. */
export const encode = (
  tensors: ReadonlyArray<NamedTensor>,
  metadata: Readonly<Record<string, string>> = {}
): Uint8Array => {
  const bytes = withHeader(tensors, metadata)
  let at = dataStart(bytes, tensors)
  for (const { data } of tensors) {
    // typed arrays are little-endian on every platform that Node runs on
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at)
    at += data.byteLength
  }
  return bytes
}

const fail = (expected: string, actual: string): Result.Result<never, SafetensorsError> =>
  Result.fail(new SafetensorsError({ expected, actual }))

const parseHeader = (bytes: Uint8Array, length: number): Result.Result<typeof Header.Type, SafetensorsError> => {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, 8 + length)))
  } catch {
    return fail("a JSON header", "it does not parse")
  }
  if (typeof json !== "object" || json === null) return fail("a JSON object as header", "it is something else")
  const { __metadata__: _, ...rest } = json as Record<string, unknown>
  return Result.mapError(
    Schema.decodeUnknownResult(Header)(rest),
    (error) =>
      new SafetensorsError({ expected: "entries of dtype, shape and data_offsets (F32 or I64)", actual: error.message })
  )
}

/** The tensors of a file in the order of their bytes, each a copy. */
export const decode = (bytes: Uint8Array): Result.Result<ReadonlyArray<NamedTensor>, SafetensorsError> => {
  if (bytes.length < 8) return fail("at least 8 bytes", `there are ${bytes.length}`)
  const declared = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true)
  if (declared > BigInt(Math.min(maximumHeaderBytes, bytes.length - 8))) {
    return fail("a header inside the file", `its length is given as ${declared}`)
  }
  const length = Number(declared)
  const header = parseHeader(bytes, length)
  if (Result.isFailure(header)) return Result.fail(header.failure)
  const tensors: Array<NamedTensor> = []
  const entries = Object.entries(header.success).sort(
    // An empty tensor begins where the next one does.
    ([, { data_offsets: a }], [, { data_offsets: b }]) => a[0] - b[0] || a[1] - b[1]
  )
  let end = 0
  for (const [name, { dtype, shape, data_offsets }] of entries) {
    const [from, to] = data_offsets
    if (from !== end || to - from !== elements(shape) * bytesPerElement[dtype] || 8 + length + to > bytes.length) {
      return fail(
        `${name} to have ${elements(shape)} elements inside the file, without gaps`,
        `its bytes are [${from}, ${to})`
      )
    }
    end = to
    // not `slice`: a Buffer's shares its memory
    const { buffer } = new Uint8Array(bytes.subarray(8 + length + from, 8 + length + to))
    tensors.push(
      dtype === "F32"
        ? { name, shape, dtype, data: new Float32Array(buffer) }
        : { name, shape, dtype, data: new BigInt64Array(buffer) }
    )
  }
  if (8 + length + end !== bytes.length) return fail(`a file of ${8 + length + end} bytes`, `it has ${bytes.length}`)
  return Result.succeed(tensors)
}
