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
  | { readonly name: string; readonly shape: ReadonlyArray<number>; readonly dtype: "I64"; readonly data: BigInt64Array }

/** Bytes that are no safetensors file, or hold what is not supported here. */
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

/** One file's bytes. `metadata` goes under `__metadata__`, its keys sorted. */
export const encode = (
  tensors: ReadonlyArray<NamedTensor>,
  metadata: Readonly<Record<string, string>> = {}
): Uint8Array => {
  const header: Record<string, unknown> = {}
  const keys = Object.keys(metadata).sort()
  if (keys.length > 0) header["__metadata__"] = Object.fromEntries(keys.map((key) => [key, metadata[key]]))
  let offset = 0
  for (const { name, shape, dtype, data } of tensors) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + data.byteLength] }
    offset += data.byteLength
  }
  const json = new TextEncoder().encode(JSON.stringify(header))
  const padded = Math.ceil(json.length / 8) * 8
  const out = new Uint8Array(8 + padded + offset)
  new DataView(out.buffer).setBigUint64(0, BigInt(padded), true)
  out.fill(0x20, 8, 8 + padded)
  out.set(json, 8)
  let at = 8 + padded
  for (const { data } of tensors) {
    // typed arrays are little-endian on every platform that Node runs on
    out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at)
    at += data.byteLength
  }
  return out
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
    (error) => new SafetensorsError({ expected: "entries of dtype, shape and data_offsets (F32 or I64)", actual: error.message })
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
  const entries = Object.entries(header.success).sort((a, b) => a[1].data_offsets[0] - b[1].data_offsets[0])
  let end = 0
  for (const [name, { dtype, shape, data_offsets }] of entries) {
    const [from, to] = data_offsets
    if (from !== end || to - from !== elements(shape) * bytesPerElement[dtype] || 8 + length + to > bytes.length) {
      return fail(`${name} to have ${elements(shape)} elements inside the file, without gaps`, `its bytes are [${from}, ${to})`)
    }
    end = to
    // not `slice`: a Buffer's shares its memory
    const buffer = Uint8Array.from(bytes.subarray(8 + length + from, 8 + length + to)).buffer
    tensors.push(
      dtype === "F32"
        ? { name, shape, dtype, data: new Float32Array(buffer) }
        : { name, shape, dtype, data: new BigInt64Array(buffer) }
    )
  }
  if (8 + length + end !== bytes.length) return fail(`a file of ${8 + length + end} bytes`, `it has ${bytes.length}`)
  return Result.succeed(tensors)
}
