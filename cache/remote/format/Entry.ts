/**
 * Entry: what a shared cache has under a key: the record of a result, who signed it, and the blobs and packs that hold its files.
 *
 * `stdout_raw` is the record, if it is not large; else it is the file `result.json`. `stderr_raw` is the signature.
 */
import * as Digest from "../../identity/Digest.ts"
import type { StepResult } from "../../store/ResultStore.ts"
import * as ActionResult from "./ActionResult.ts"
import type { Blob } from "./Pack.ts"
import * as Pack from "./Pack.ts"

export type File = ActionResult.File

/** Larger records are blobs: each look at a key fetches its entry. */
const inlineBytes = 64 * 1024
/** What is larger is no entry: one of a million large files has less. */
export const mostBytes = 256 * 2 ** 20
const recordPath = "result.json"
const blobPath = ({ digest }: Blob): string => `blobs/${digest}`

/** The blobs of a result, each once. */
export const blobsOf = (result: StepResult): ReadonlyArray<Blob> => {
  const found = new Map<Digest.Digest, Blob>()
  for (const { entries } of Object.values(result.outputs)) {
    for (const entry of entries) {
      if (entry.kind === "file") found.set(entry.digest, { digest: entry.digest, sizeBytes: entry.sizeBytes })
    }
  }
  return Array.from(found.values())
}

/** How the blobs of a result are uploaded: which by themselves, and which in packs. */
export const plan = (result: StepResult) => {
  const blobs = blobsOf(result)
  const small = blobs.filter(({ sizeBytes }) => sizeBytes < Pack.smallBytes)
  if (small.length <= Pack.fewest) return { single: blobs, packs: [] }
  const bits = Pack.bitsFor(small)
  const packs = Array.from(Pack.share(small, bits), ([index, blobs]) => ({ path: Pack.pathOf(bits, index), blobs }))
  return { single: blobs.filter(({ sizeBytes }) => sizeBytes >= Pack.smallBytes), packs }
}

export const fileOf = (blob: Blob): File => ({ path: blobPath(blob), ...blob })

export interface Written {
  readonly record: Uint8Array
  readonly files: ReadonlyArray<File>
  /** Empty if nobody signed. */
  readonly signature: string
}

/** The entry in its encoding, and the record if it is to be a blob of its own. */
export const encode = ({ record, files, signature }: Written) => {
  const isInline = record.length <= inlineBytes
  const recordFile = { path: recordPath, digest: Digest.ofBytes(record), sizeBytes: record.length }
  const bytes = ActionResult.encode({
    files: isInline ? files : [...files, recordFile],
    stdout: isInline ? record : new Uint8Array(),
    stderr: Buffer.from(signature),
    worker: "op-pipe"
  })
  return { bytes, recordFile: isInline ? undefined : recordFile }
}

export interface Read {
  /** The record, or the file that holds it. */
  readonly record: Uint8Array | File
  readonly files: ReadonlyArray<File>
  readonly signature: string
}

/** The entry in `bytes`; undefined if it is none of op-pipe's. */
export const decode = (bytes: Uint8Array): Read | undefined => {
  const found = ActionResult.decode(bytes)
  const record = found?.stdout.length === 0 ? found.files.find(({ path }) => path === recordPath) : found?.stdout
  if (found === undefined || record === undefined) return undefined
  return { record, files: found.files, signature: Buffer.from(found.stderr).toString("utf8") }
}

/** What is to be fetched for `missing`, which are of `blobs`: blobs by themselves, and packs with all that each holds. */
export interface Needed {
  readonly single: ReadonlyArray<File>
  readonly packs: ReadonlyArray<{ readonly file: File; readonly blobs: ReadonlyArray<Blob> }>
}

/** What is to be fetched; undefined if the entry does not name it all. */
export const needed = (
  files: ReadonlyArray<File>,
  blobs: ReadonlyArray<Blob>,
  missing: ReadonlySet<Digest.Digest>
): Needed | undefined => {
  const byPath = new Map(files.map((file) => [file.path, file]))
  const single: Array<File> = []
  const packed: Array<Blob> = []
  for (const blob of blobs) {
    const file = byPath.get(blobPath(blob))
    if (file === undefined) packed.push(blob)
    else if (file.digest !== blob.digest || file.sizeBytes !== blob.sizeBytes) return undefined
    else if (missing.has(blob.digest)) single.push(file)
  }
  const bits = files.flatMap(({ path }) => Pack.parsePath(path)?.bits ?? [])[0]
  if (packed.length === 0) return { single, packs: [] }
  if (bits === undefined) return undefined
  const packs = Array.from(Pack.share(packed, bits)).flatMap(([index, blobs]) =>
    blobs.some(({ digest }) => missing.has(digest)) ? [{ file: byPath.get(Pack.pathOf(bits, index)), blobs }] : []
  )
  if (packs.some(({ file }) => file === undefined)) return undefined
  return { single, packs: packs.map(({ file, blobs }) => ({ file: file!, blobs })) }
}
