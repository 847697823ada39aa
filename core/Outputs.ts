/**
 * Outputs: results as files that people open, and output folders as results.
 *
 * `outputs/<step>/` holds exactly what the step's result says: it is built aside and swapped in by rename, so nothing of
 * an earlier run stays behind and nobody sees half of it. Files are copies; writing to one cannot reach the store. A report
 * may have places in it that are filled on the way (Stamp).
 */
import * as path from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as CanonicalJson from "../cache/identity/CanonicalJson.ts"
import * as Digest from "../cache/identity/Digest.ts"
import { Disk, join, orAbsent } from "../cache/store/Disk.ts"
import * as Lock from "../cache/store/Lock.ts"
import type { Output, StepResult } from "../cache/store/ResultStore.ts"
import { Store } from "../cache/store/Store.ts"
import * as Tree from "../cache/store/Tree.ts"
import * as Artifact from "./Artifact.ts"

/** A step ended well and yet did not leave what it declares. */
export class OutputMissing extends Data.TaggedError("OutputMissing")<{
  readonly output: string
  readonly expected: string
  readonly actual: string
}> {
  override get message(): string {
    return `output ${this.output}: expected ${this.expected}, but found ${this.actual}`
  }
}

/** A blob that a result names went away between the look at it and its use. */
export class BlobGone extends Data.TaggedError("BlobGone")<{ readonly digest: Digest.Digest }> {
  override get message(): string {
    return `the store lost the blob ${Digest.short(this.digest)} during the run; run again`
  }
}

const documentDigest = Effect.fnUntraced(function* (
  name: string,
  artifact: Artifact.JsonArtifact<string, unknown>,
  file: string
) {
  const disk = yield* Disk
  const text = yield* disk.readText(file)
  const value = yield* Effect.try({
    try: () => JSON.parse(text) as unknown,
    catch: (cause) => new OutputMissing({ output: name, expected: "a JSON document", actual: String(cause) })
  })
  yield* Schema.decodeUnknownEffect(artifact.schema)(value).pipe(
    Effect.mapError(
      (error) =>
        new OutputMissing({ output: name, expected: "a document that its schema accepts", actual: error.message })
    )
  )
  // Plain JSON that was just parsed is canonical.
  return Digest.ofJson("Document/v1", Artifact.withoutVolatile(value, artifact.volatile) as CanonicalJson.Json)
})

/** Takes the files of one output out of the output folder into the store. */
const takeOutput = Effect.fnUntraced(function* (name: string, artifact: Artifact.Any, outputDir: string) {
  const disk = yield* Disk
  const { blobs, memo } = yield* Store
  const location = join(outputDir, artifact.path)
  const stat = yield* orAbsent(disk.lstat(location))
  const wanted = artifact.kind === "folder" ? "folder" : "file"
  if (Option.isNone(stat) || stat.value.kind !== wanted) {
    const actual = Option.isNone(stat) ? "nothing" : `a ${stat.value.kind}`
    return yield* new OutputMissing({ output: name, expected: `a ${wanted} at ${artifact.path}`, actual })
  }
  const common = { kind: artifact.kind, tag: artifact.tag, path: artifact.path, layOut: artifact.layOut }
  if (artifact.kind !== "folder") {
    const digest = artifact.kind === "json" ? yield* documentDigest(name, artifact, location) : undefined
    const blob = yield* blobs.take(location)
    const entry = {
      kind: "file",
      path: artifact.path,
      digest: blob,
      sizeBytes: stat.value.sizeBytes,
      mode: stat.value.mode
    } as const
    const output: Output = { ...common, digest: digest ?? blob, entries: [entry] }
    return output
  }
  const below = yield* Tree.snapshot(location, memo, { ignore: () => false, of: "output" })
  for (const entry of below) {
    if (entry.kind === "file") yield* blobs.take(join(location, entry.path), entry.digest)
  }
  const entries = below.map((entry) => ({ ...entry, path: `${artifact.path}/${entry.path}` }))
  const output: Output = {
    ...common,
    digest: Tree.digest(below),
    entries: [{ kind: "folder", path: artifact.path }, ...entries]
  }
  return output
})

/** Takes all declared outputs out of `outputDir` into the store. */
export const take = Effect.fnUntraced(function* (artifacts: Readonly<Record<string, Artifact.Any>>, outputDir: string) {
  const taken = yield* Effect.forEach(Object.entries(artifacts), ([name, artifact]) =>
    Effect.map(takeOutput(name, artifact, outputDir), (output) => [name, output] as const)
  )
  return Object.fromEntries(taken) as Readonly<Record<string, Output>>
})

/** Texts of files that are laid out otherwise than they lie in the store, by path. */
export type Filled = ReadonlyMap<string, string>
const asStored: Filled = new Map()

const build = Effect.fnUntraced(function* (
  entries: Tree.Tree,
  root: string,
  how: "copy" | "link",
  filled: Filled = asStored
) {
  const disk = yield* Disk
  const { blobs } = yield* Store
  yield* disk.makeFolder(root)
  for (const entry of entries) {
    const location = join(root, entry.path)
    if (entry.kind === "folder") {
      yield* disk.makeFolder(location)
      continue
    }
    yield* disk.makeFolder(path.dirname(location))
    if (entry.kind === "link") {
      yield* disk.symlink(entry.target, location)
      continue
    }
    const text = filled.get(entry.path)
    if (text !== undefined) {
      yield* disk.create(location, text)
      yield* disk.setMode(location, entry.mode)
      continue
    }
    const blob = yield* blobs.verified(entry.digest)
    if (Option.isNone(blob)) return yield* new BlobGone({ digest: entry.digest })
    if (how === "link") yield* disk.symlink(blob.value, location)
    else {
      yield* disk.copy(blob.value, location)
      yield* disk.setMode(location, entry.mode)
    }
  }
})

/** The content of an output for a step to read, below `folder`: symbolic links to blobs just verified. (A hard link would
 * change the blob's ctime, and the memo would have it read again.) */
export const provideInput = Effect.fnUntraced(function* (output: Output, folder: string) {
  yield* build(output.entries, folder, "link")
  return join(folder, output.path)
})

const folders = (entries: Tree.Tree): Tree.Tree => {
  const paths = new Set<string>()
  for (const entry of entries) {
    const parts = entry.path.split("/")
    for (let depth = 1; depth < parts.length; depth++) paths.add(parts.slice(0, depth).join("/"))
    if (entry.kind === "folder") paths.add(entry.path)
  }
  return Array.from(paths, (each) => ({ kind: "folder", path: each }) as const)
}

const asFilled =
  (filled: Filled) =>
  (entry: Tree.TreeEntry): Tree.TreeEntry => {
    const text = filled.get(entry.path)
    if (text === undefined || entry.kind !== "file") return entry
    return { ...entry, digest: Digest.ofText(text), sizeBytes: Buffer.byteLength(text) }
  }

/** What `outputs/<step>/` holds for `result`. */
export const expectedTree = (result: StepResult, filled: Filled = asStored): Tree.Tree => {
  const outputs = Object.values(result.outputs).filter((output) => output.layOut)
  const entries = outputs.flatMap((output) => output.entries).map(asFilled(filled))
  return [...folders(entries), ...entries.filter((entry) => entry.kind !== "folder")].sort((a, b) =>
    a.path < b.path ? -1 : 1
  )
}

/** How `outputs/<step>/` differs from what `result` says, in words; none if it does not. */
export const difference = Effect.fnUntraced(function* (result: StepResult, folder: string, filled: Filled = asStored) {
  const { memo } = yield* Store
  const expected = expectedTree(result, filled)
  const found = yield* orAbsent(Tree.snapshot(folder, memo, { ignore: () => false, of: "output" }))
  if (Option.isNone(found)) return Option.some("not there")
  return Tree.isSame(found.value, expected) ? Option.none() : Option.some(Tree.describeChange(expected, found.value))
})

const swapIn = Effect.fnUntraced(function* (result: StepResult, folder: string, filled: Filled) {
  if (Option.isNone(yield* difference(result, folder, filled))) return false
  const disk = yield* Disk
  const hidden = path.join(path.dirname(folder), `.${path.basename(folder)}`)
  const [aside, old] = [`${hidden}.new`, `${hidden}.old`]
  // Whoever left something half done here is gone: only one at a time lays out a folder.
  for (const left of [aside, old]) if (yield* disk.exists(left)) yield* disk.remove(left)
  yield* build(expectedTree(result, filled), aside, "copy", filled)
  const replaces = yield* disk.exists(folder)
  if (replaces) yield* disk.rename(folder, old)
  yield* disk.rename(aside, folder)
  if (replaces) yield* disk.remove(old)
  return true
})

/** Makes `outputs/<step>/` what `result` says; true when it had to. Two runs of one project do so one after the other. */
export const layOut = Effect.fnUntraced(function* (result: StepResult, folder: string, filled: Filled = asStored) {
  // Most often it is, and then no lock is needed; `swapIn` looks again under the lock.
  if (Option.isNone(yield* difference(result, folder, filled))) return false
  return yield* Effect.scoped(
    Effect.andThen(
      Lock.hold(`outputs ${folder}`, () => undefined),
      swapIn(result, folder, filled)
    )
  )
})
