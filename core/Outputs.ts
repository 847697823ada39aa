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
import type * as ResultStore from "../cache/store/ResultStore.ts"
import type { Output, StepResult } from "../cache/store/ResultStore.ts"
import { Store } from "../cache/store/Store.ts"
import * as Tree from "../cache/store/Tree.ts"
import * as Artifact from "./Artifact.ts"
import type { AnyStep } from "./Pipeline.ts"

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

/** Why a result that might be there cannot be served. */
export type Unusable = ResultStore.Unusable | "outdated"

/**
 * The result under `key`, if it can be served. A module's key holds the schemas of its documents, as code; a command's does not, so
 * its documents are decoded: one of an older schema is a miss.
 */
export const usable = Effect.fnUntraced(function* (step: AnyStep, key: Digest.Digest) {
  const { blobs, results } = yield* Store
  const result = yield* results.usable(key)
  if (typeof result === "string" || step.stage._tag !== "Command") return result satisfies StepResult | Unusable
  for (const [name, artifact] of Object.entries(step.stage.output as Readonly<Record<string, Artifact.Any>>)) {
    const [entry] = result.outputs[name]?.entries ?? []
    if (artifact.kind !== "json" || entry?.kind !== "file") continue
    const blob = yield* blobs.verified(entry.digest)
    if (Option.isNone(blob)) return "damaged" satisfies Unusable
    const fits = yield* Effect.isSuccess(documentDigest(name, artifact, blob.value))
    if (!fits) return "outdated" satisfies Unusable
  }
  return result satisfies StepResult | Unusable
})

/** Refuses links of an output that lead into the store or its scratch by absolute paths: copies of inputs that are links themselves. */
const refuseLinksToInputs = Effect.fnUntraced(function* (name: string, tree: Tree.Tree) {
  const { layout } = yield* Store
  for (const entry of tree) {
    if (entry.kind !== "link" || !entry.target.startsWith(layout.root + path.sep)) continue
    return yield* new OutputMissing({
      output: name,
      expected: "files of its own",
      actual: `${entry.path}, a link to ${entry.target}. Inputs may be links: copy what they lead to (\`dereference\` of fs.cp, \`cp -L\`)`
    })
  }
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
  yield* refuseLinksToInputs(name, below)
  for (const entry of below) {
    if (entry.kind === "file") yield* blobs.take(join(location, entry.path), entry.digest)
  }
  const entries = below.map((entry) => ({ ...entry, path: `${artifact.path}/${entry.path}` }))
  const output: Output = {
    ...common,
    digest: Tree.digest(below),
    entries: [{ kind: "folder", path: artifact.path, mode: Tree.folderMode(stat.value) }, ...entries]
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
    // A blob cannot be executed, so what is to be is copied.
    if (how === "link" && (entry.mode & 0o111) === 0) yield* disk.symlink(blob.value, location)
    else {
      yield* disk.copy(blob.value, location)
      yield* disk.setMode(location, entry.mode)
    }
  }
  // Inner folders first: an outer one may not let anyone in afterwards.
  for (const entry of entries.toReversed()) {
    if (how === "copy" && entry.kind === "folder" && entry.mode !== undefined)
      yield* disk.setMode(join(root, entry.path), entry.mode)
  }
})

/**
 * The content of an output for a step to read, below `folder`. For a module: symbolic links to blobs just verified. (A hard link would
 * change the blob's ctime, and the memo would have it read again.) For a command: copies, since programs tell links from
 * files: `find -type f` passes over them, `cp -r` and `tar` keep them as links.
 */
export const provideInput = Effect.fnUntraced(function* (output: Output, folder: string, to: "Stage" | "Command") {
  yield* build(output.entries, folder, to === "Stage" ? "link" : "copy")
  return join(folder, output.path)
})

/** The folders that the entries name, and those that they lie in, whose mode is nobody's business. */
const folders = (entries: Tree.Tree): Tree.Tree => {
  const modes = new Map<string, number | undefined>()
  for (const entry of entries) {
    const parts = entry.path.split("/")
    for (let depth = 1; depth < parts.length; depth++) {
      const at = parts.slice(0, depth).join("/")
      modes.set(at, modes.get(at))
    }
    if (entry.kind === "folder") modes.set(entry.path, entry.mode ?? modes.get(entry.path))
  }
  return Array.from(modes, ([at, mode]) =>
    mode === undefined ? { kind: "folder", path: at } : { kind: "folder", path: at, mode }
  )
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
