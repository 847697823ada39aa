/**
 * ActionResult: an entry of a shared cache in the encoding of Bazel's remote execution API (a protocol buffer), since servers
 * such as bazel-remote refuse any other, serve an entry only while all files that it names are there, and keep those young.
 *
 * https://github.com/bazelbuild/remote-apis, `build/bazel/remote/execution/v2/remote_execution.proto`. Written by hand: five
 * fields do not need a library. Fields of others are passed over.
 */
import * as Digest from "../../identity/Digest.ts"

export interface File {
  /** What it is for; relative, with forward slashes. */
  readonly path: string
  readonly digest: Digest.Digest
  readonly sizeBytes: number
}

export interface ActionResult {
  readonly files: ReadonlyArray<File>
  /** `stdout_raw` and `stderr_raw`. */
  readonly stdout: Uint8Array
  readonly stderr: Uint8Array
  /** `execution_metadata.worker`: bazel-remote writes an entry anew that has none. */
  readonly worker: string
}

/** Numbers of fields in their messages. */
const fields = { files: 2, stdout: 5, stderr: 7, metadata: 9, path: 1, digest: 2, hash: 1, sizeBytes: 2, worker: 1 }
const lengthDelimited = 2

const varint = (value: number): Buffer => {
  const bytes: Array<number> = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80)
  return Buffer.from([...bytes, rest])
}
const bytesField = (field: number, bytes: Uint8Array): Buffer =>
  Buffer.concat([varint(field * 8 + lengthDelimited), varint(bytes.length), bytes])
const textField = (field: number, text: string): Buffer => bytesField(field, Buffer.from(text))
const digestOf = ({ digest, sizeBytes }: File): Buffer =>
  Buffer.concat([textField(fields.hash, digest), varint(fields.sizeBytes * 8), varint(sizeBytes)])

export const encode = ({ files, stdout, stderr, worker }: ActionResult): Uint8Array =>
  Buffer.concat([
    ...files.map((file) =>
      bytesField(
        fields.files,
        Buffer.concat([textField(fields.path, file.path), bytesField(fields.digest, digestOf(file))])
      )
    ),
    bytesField(fields.stdout, stdout),
    bytesField(fields.stderr, stderr),
    bytesField(fields.metadata, textField(fields.worker, worker))
  ])

type Field = readonly [field: number, value: number | Uint8Array]

const malformed = (): Error => new Error("expected a protocol buffer")

/** The fields of a message. Throws if `bytes` are none. */
function* fieldsOf(bytes: Uint8Array): Generator<Field> {
  let at = 0
  const number = (): number => {
    let [value, scale] = [0, 1]
    for (let length = 1; length <= 10; length++) {
      const byte = bytes[at++]
      if (byte === undefined) throw malformed()
      value += (byte & 0x7f) * scale
      scale *= 0x80
      if (byte < 0x80) return value
    }
    throw malformed()
  }
  const skip = (length: number): Uint8Array => {
    if (!(at + length <= bytes.length)) throw malformed()
    at += length
    return bytes.subarray(at - length, at)
  }
  while (at < bytes.length) {
    const tag = number()
    const [field, type] = [Math.floor(tag / 8), tag % 8]
    if (type === 0) yield [field, number()]
    else if (type === lengthDelimited) yield [field, skip(number())]
    else if (type === 1 || type === 5) skip(type === 1 ? 8 : 4)
    else throw malformed()
  }
}

const none = new Uint8Array()

/** The last value of a field, as the encoding has it. */
const lastBytes = (message: Uint8Array, field: number): Uint8Array =>
  (Array.from(fieldsOf(message)).findLast(([each, value]) => each === field && typeof value !== "number")?.[1] as
    | Uint8Array
    | undefined) ?? none
const lastText = (message: Uint8Array, field: number): string => Buffer.from(lastBytes(message, field)).toString("utf8")

const fileOf = (message: Uint8Array): File => {
  const encoded = lastBytes(message, fields.digest)
  const digest = lastText(encoded, fields.hash)
  if (!Digest.isDigest(digest)) throw malformed()
  const size = Array.from(fieldsOf(encoded)).findLast(([field]) => field === fields.sizeBytes)?.[1] ?? 0
  if (typeof size !== "number" || !Number.isSafeInteger(size)) throw malformed()
  return { path: lastText(message, fields.path), digest, sizeBytes: size }
}

/** The entry in `bytes`; undefined if they are something else. */
export const decode = (bytes: Uint8Array): ActionResult | undefined => {
  try {
    const files: Array<File> = []
    for (const [field, value] of fieldsOf(bytes)) {
      if (field === fields.files && typeof value !== "number") files.push(fileOf(value))
    }
    return {
      files,
      stdout: lastBytes(bytes, fields.stdout),
      stderr: lastBytes(bytes, fields.stderr),
      worker: lastText(lastBytes(bytes, fields.metadata), fields.worker)
    }
  } catch {
    return undefined
  }
}
