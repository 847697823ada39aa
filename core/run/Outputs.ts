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
import type * as CanonicalJson from "../../cache/identity/CanonicalJson.ts"
import * as Digest from "../../cache/identity/Digest.ts"
import { Disk, join, type Looks, orAbsent } from "../../cache/store/Disk.ts"
import * as Lock from "../../cache/store/Lock.ts"
import type * as ResultStore from "../../cache/store/ResultStore.ts"
import type { Output, StepResult } from "../../cache/store/ResultStore.ts"
import { Store } from "../../cache/store/Store.ts"
import * as Tree from "../../cache/store/Tree.ts"
import * as Artifact from "../pipeline/Artifact.ts"
import type { AnyStep } from "../pipeline/Step.ts"

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

/** The result with what its step declares now of how outputs are laid out, which is no part of a key. */
const asDeclared = (step: AnyStep, result: StepResult): StepResult => {
  const declared = step.stage.output as Readonly<Record<string, Artifact.Any>>
  const outputs = Object.entries(result.outputs)
  const layOutOf = ([name, output]: readonly [string, Output]): boolean => declared[name]?.layOut ?? output.layOut
  if (outputs.every((each) => layOutOf(each) === each[1].layOut)) return result
  return {
    ...result,
    outputs: Object.fromEntries(outputs.map((each) => [each[0], { ...each[1], layOut: layOutOf(each) }]))
  }
}

/** Whether its documents are decoded before they are served. */
const hasDocuments = ({ stage }: AnyStep): boolean =>
  stage._tag === "Command" &&
  Object.values(stage.output as Readonly<Record<string, Artifact.Any>>).some(({ kind }) => kind === "json")

/**
 * The result under `key`, if it can be served. A module's key holds the schemas of its documents, as code; a command's does not, so
 * its documents are decoded: one of an older schema is a miss.
 */
export const usable = Effect.fnUntraced(function* (step: AnyStep, key: Digest.Digest) {
  const { blobs, results } = yield* Store
  const found = yield* results.usable(key)
  if (typeof found === "string") return found satisfies Unusable
  const result = asDeclared(step, found)
  if (!hasDocuments(step)) return result
  for (const [name, artifact] of Object.entries(step.stage.output as Readonly<Record<string, Artifact.Any>>)) {
    const [entry] = result.outputs[name]?.entries ?? []
    if (artifact.kind !== "json" || entry?.kind !== "file") continue
    const blob = yield* blobs.verified(entry.digest)
    if (Option.isNone(blob)) return "damaged" satisfies Unusable
    const fits = yield* Effect.isSuccess(documentDigest(name, artifact, blob.value))
    if (!fits) return "outdated" satisfies Unusable
  }
  return result
})

/** Where the content of a step comes from: its sources, as paths without links. */
export type Origins = ReadonlyArray<string>

/** Where a link at `location` leads that an output in `folder` must not hold; undefined if it may. */
const forbidden = Effect.fnUntraced(function* (target: string, location: string, folder: string, origins: Origins) {
  const disk = yield* Disk
  const { layout } = yield* Store
  const lexical = path.resolve(path.dirname(location), target)
  const inside = Tree.isIn(lexical, folder)
  if (inside && !path.isAbsolute(target)) return undefined
  const real = yield* Effect.option(disk.realPath(lexical))
  const targets = [lexical, ...Option.toArray(real)]
  const origin = origins.find((place) => targets.some((each) => Tree.isIn(each, place) || Tree.isIn(place, each)))
  if (origin !== undefined) return `the source ${origin}, whose content may change`
  if (!path.isAbsolute(target)) return "out of the output"
  // A store that nothing was put in yet is not there.
  const stores = [layout.root, ...Option.toArray(yield* orAbsent(disk.realPath(layout.root)))]
  const isOfStore = stores.some((store) => targets.some((each) => Tree.isIn(each, store)))
  return isOfStore ? "the store, or the folder that the step worked in" : undefined
})

/** Refuses links of an output to what is not the output's: it would change, or be gone, behind the result's back. */
const refuseLinks = Effect.fnUntraced(function* (name: string, tree: Tree.Tree, folder: string, origins: Origins) {
  for (const entry of tree) {
    if (entry.kind !== "link") continue
    const leads = yield* forbidden(entry.target, join(folder, entry.path), folder, origins)
    if (leads === undefined) continue
    return yield* new OutputMissing({
      output: name,
      expected: "files of its own",
      actual: `${entry.path}, a link to ${entry.target}. It leads to ${leads}: copy what it leads to (\`cp -L\`, \`dereference\` of fs.cp); a link within the output must be relative`
    })
  }
})

/** Takes the files of one output out of the output folder into the store. */
const takeOutput = Effect.fnUntraced(function* (
  name: string,
  artifact: Artifact.Any,
  outputDir: string,
  origins: Origins
) {
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
  const below = yield* Tree.snapshot(location, memo, { ignore: () => false, of: "output", unlock: true })
  yield* refuseLinks(name, below, location, origins)
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
export const take = Effect.fnUntraced(function* (
  artifacts: Readonly<Record<string, Artifact.Any>>,
  outputDir: string,
  origins: Origins
) {
  const taken = yield* Effect.forEach(Object.entries(artifacts), ([name, artifact]) =>
    Effect.map(takeOutput(name, artifact, outputDir, origins), (output) => [name, output] as const)
  )
  return Object.fromEntries(taken) as Readonly<Record<string, Output>>
})

/** Bytes of files that are laid out otherwise than they lie in the store, by path. */
export type Filled = ReadonlyMap<string, Uint8Array>
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
    const bytes = filled.get(entry.path)
    if (bytes !== undefined) {
      yield* disk.create(location, bytes)
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

/** Documents without their volatile fields: what is no part of a digest is not seen by who reads, by whatever way. */
const withoutVolatile = Effect.fnUntraced(function* (output: Output, artifact: Artifact.Any) {
  const disk = yield* Disk
  const { blobs } = yield* Store
  const [entry] = output.entries
  if (artifact.kind !== "json" || artifact.volatile.length === 0 || entry?.kind !== "file") return asStored
  const blob = yield* blobs.verified(entry.digest)
  if (Option.isNone(blob)) return yield* new BlobGone({ digest: entry.digest })
  const value = JSON.parse(yield* disk.readText(blob.value)) as unknown
  const text = `${JSON.stringify(Artifact.withoutVolatile(value, artifact.volatile), null, 2)}\n`
  return new Map([[entry.path, Buffer.from(text)]]) as Filled
})

/**
 * The content of an output for a step to read, below `folder`. For a module: symbolic links to blobs just verified. (A hard link would
 * change the blob's ctime, and the memo would have it read again.) For a command: copies, since programs tell links from
 * files: `find -type f` passes over them, `cp -r` and `tar` keep them as links.
 */
export const provideInput = Effect.fnUntraced(function* (
  output: Output,
  artifact: Artifact.Any,
  folder: string,
  to: "Stage" | "Command"
) {
  yield* build(output.entries, folder, to === "Stage" ? "link" : "copy", yield* withoutVolatile(output, artifact))
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
    const bytes = filled.get(entry.path)
    if (bytes === undefined || entry.kind !== "file") return entry
    return { ...entry, digest: Digest.ofBytes(bytes), sizeBytes: bytes.length }
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

/** Something lies where a step is to be laid out, and op-pipe did not put it there. */
export class OutputsOccupied extends Data.TaggedError("OutputsOccupied")<{ readonly folder: string }> {
  override get message(): string {
    return `${this.folder} holds what op-pipe did not write, and would be replaced. Move it away, or choose another folder with --outputs; the result is kept`
  }
}

const marksIn = (outputsDir: string): string => `${outputsDir}${path.sep}.laid-out`

/**
 * What op-pipe keeps beside the steps' folders: marks of those that it laid out, and what is being laid out. In the outputs and
 * not in the store, since the store may be removed and the outputs stay.
 */
const besides = (folder: string): { readonly mark: string; readonly aside: string; readonly old: string } => {
  const at = marksIn(path.dirname(folder))
  const step = path.basename(folder)
  return { mark: path.join(at, step), aside: path.join(at, ".new", step), old: path.join(at, ".old", step) }
}

const mark = Effect.fnUntraced(function* (folder: string) {
  const disk = yield* Disk
  const { mark: file } = besides(folder)
  if (yield* disk.exists(file)) return
  yield* disk.makeFolder(path.dirname(file))
  // Another run may have done so meanwhile.
  yield* Effect.catchIf(
    disk.create(file, ""),
    (error) => error.code === "EEXIST",
    () => Effect.void
  )
})

/** Whether people put files where `result` is to be laid out. */
export const isOccupied = Effect.fnUntraced(function* (result: StepResult, folder: string) {
  const disk = yield* Disk
  const { memo, results } = yield* Store
  const stat = yield* orAbsent(disk.lstat(folder))
  if (Option.isNone(stat)) return false
  if (stat.value.kind !== "folder") return true
  if (yield* disk.exists(besides(folder).mark)) return false
  const found = yield* Tree.snapshot(folder, memo, { ignore: () => false, of: "output" })
  const files = found.filter(({ kind }) => kind !== "folder")
  if (files.length === 0) return false
  // Earlier versions left no marks: where the step was run before, what has the path of an output is one.
  const last = yield* results.last(path.basename(folder))
  const known = Option.isNone(last) ? [] : [last.value, result].flatMap((each) => Object.values(each.outputs))
  const isOutput = (at: string): boolean => known.some((each) => Tree.isIn(join("/", at), join("/", each.path)))
  return !files.every((file) => isOutput(file.path))
})

const swapIn = Effect.fnUntraced(function* (result: StepResult, folder: string, filled: Filled) {
  if (Option.isNone(yield* difference(result, folder, filled))) return false
  const disk = yield* Disk
  if (yield* isOccupied(result, folder)) return yield* new OutputsOccupied({ folder })
  const { aside, old } = besides(folder)
  // Whoever left something half done here is gone: only one at a time lays out a folder.
  for (const left of [aside, old]) if (yield* disk.exists(left)) yield* disk.remove(left)
  yield* build(expectedTree(result, filled), aside, "copy", filled)
  yield* mark(folder)
  yield* disk.makeFolder(path.dirname(old))
  const replaces = yield* disk.exists(folder)
  if (replaces) yield* disk.rename(folder, old)
  yield* disk.rename(aside, folder)
  if (replaces) yield* disk.remove(old)
  return true
})

/**
 * How to tell by looks alone that the result under a key can be served, that the step's folder in `outputsDir` holds it, marked, and that
 * it is the step's last: then `usable`, `layOut` and the note of it would find nothing to do. Undefined says nothing.
 */
export const standing = Effect.fnUntraced(function* (outputsDir: string) {
  const disk = yield* Disk
  const { memo, results } = yield* Store
  const known = yield* results.known
  // once for all steps: there may be thousands
  const marked = yield* Effect.orElseSucceed(
    disk.look(outputsDir, (looks) => new Set(looks.names(marksIn(outputsDir)))),
    () => new Set<string>()
  )
  return (step: AnyStep, key: Digest.Digest, looks: Looks): StepResult | undefined => {
    const found = known(step.id, key, looks)
    if (found === undefined || hasDocuments(step)) return undefined
    const result = asDeclared(step, found)
    const tree = Tree.known(`${outputsDir}${path.sep}${step.id}`, memo, looks)
    const stands = tree !== undefined && Tree.isSame(tree, expectedTree(result)) && marked.has(step.id)
    return stands ? result : undefined
  }
})

/** Makes `outputs/<step>/` what `result` says; true when it had to. Two runs of one project do so one after the other. */
export const layOut = Effect.fnUntraced(function* (result: StepResult, folder: string, filled: Filled = asStored) {
  // Most often it is, and then no lock is needed; `swapIn` looks again under the lock.
  if (Option.isNone(yield* difference(result, folder, filled))) {
    // An earlier version left no marks.
    yield* Effect.ignore(mark(folder))
    return false
  }
  return yield* Effect.scoped(
    Effect.andThen(
      Lock.hold(`outputs ${folder}`, () => undefined),
      swapIn(result, folder, filled)
    )
  )
})
