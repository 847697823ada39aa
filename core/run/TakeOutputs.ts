/**
 * TakeOutputs: takes the files that a step left into the store, as the outputs of its result.
 *
 * Each output must exist and be of the declared kind; its schema must accept a document; no link may lead out of the
 * output.
 */
import * as path from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Disk, type DiskError, join, kindInWords, orAbsent } from "../../cache/store/Disk.ts"
import { type Output, staysIn } from "../../cache/store/ResultStore.ts"
import { Store } from "../../cache/store/Store.ts"
import * as Tree from "../../cache/store/Tree.ts"
import * as SourceLink from "../../cache/store/tree/SourceLink.ts"
import * as Sandbox from "../executor/Sandbox.ts"
import type * as Artifact from "../pipeline/Artifact.ts"
import * as ArtifactIO from "../pipeline/ArtifactIO.ts"
import * as Document from "../pipeline/Document.ts"

/** The step succeeded but did not leave an output as it declares it. */
export class OutputMissing extends Data.TaggedError("OutputMissing")<{
  readonly output: string
  readonly expected: string
  readonly actual: string
}> {
  readonly fault = "stage"

  override get message(): string {
    return `output ${this.output}: expected ${this.expected}, but found ${this.actual}`
  }
}

const documentDigest = (name: string, artifact: Artifact.JsonArtifact<string, unknown, boolean>, file: string) =>
  Effect.mapError(Document.digest(artifact, file), (error) =>
    error._tag === "DocumentInvalid"
      ? new OutputMissing({ output: name, expected: error.expected, actual: error.actual })
      : error
  )

/** The real paths of a run's sources. */
export type Origins = ReadonlyArray<string>

/** The folders of a sealed step, as the step sees them. */
const stepFolders = [Sandbox.inside.step, Sandbox.inside.temporary]

/** Where the link at `location` leads, if an output in `folder` must not hold such a link; undefined if it may. */
const forbidden = Effect.fnUntraced(function* (target: string, location: string, folder: string, origins: Origins) {
  const disk = yield* Disk
  const { layout } = yield* Store
  const lexical = path.resolve(path.dirname(location), target)
  const inside = SourceLink.isIn(lexical, folder)
  if (inside && !path.isAbsolute(target)) {
    const at = path.relative(folder, location)
    // the step that reads it may find the folder under another name; no record may hold such a link
    if (!staysIn("", at.split(path.sep).join("/"), target)) return "out of the output, and in again by its name"
    const isNowhere = Option.isNone(yield* orAbsent(disk.lstat(lexical)))
    return isNowhere && /^(inputs|outputs)(\/|$)/u.test(target)
      ? "to nothing, since it is read as a path below the output"
      : undefined
  }
  const real = yield* Effect.option(disk.realPath(lexical))
  const targets = [lexical, ...Option.toArray(real)]
  const origin = origins.find((place) =>
    targets.some((each) => SourceLink.isIn(each, place) || SourceLink.isIn(place, each))
  )
  if (origin !== undefined) return `to the source ${origin}, whose content may change`
  if (!path.isAbsolute(target)) return "out of the output"
  // an empty store may not exist yet
  const stores = [layout.root, ...Option.toArray(yield* orAbsent(disk.realPath(layout.root)))]
  const isOfStore = stores.some((store) => targets.some((each) => SourceLink.isIn(each, store)))
  if (isOfStore) return "to the store, or to the folder that the step worked in"
  return stepFolders.some((each) => SourceLink.isIn(target, each)) ? "to the folder that the step worked in" : undefined
})

/** Fails if a link leads out of the output: its target could change or disappear without a new result. */
const refuseLinks = Effect.fnUntraced(function* (name: string, tree: Tree.Tree, folder: string, origins: Origins) {
  for (const entry of tree) {
    if (entry.kind !== "link") continue
    const leads = yield* forbidden(entry.target, join(folder, entry.path), folder, origins)
    if (leads === undefined) continue
    return yield* new OutputMissing({
      output: name,
      expected: "files of its own",
      actual: `${entry.path}, a link to ${entry.target}. It leads ${leads}: copy what it leads to (\`cp -L\`, \`dereference\` of fs.cp); a link within the output must be relative`
    })
  }
})

/** What a step made and no output can hold: a name that is not in UTF-8, a pipe, folders too deep for a path. */
const unfit = (name: string, location: string) => (error: DiskError) => {
  if (error.code === "ENAMETOOLONG") {
    const actual = `folders so deep that a path has ${Buffer.byteLength(error.path)} bytes`
    return new OutputMissing({ output: name, expected: "paths that the system takes", actual })
  }
  if (error.fault !== "input") return error
  const at = path.relative(path.dirname(location), error.path)
  const actual = error.code === "EILSEQ" ? `another name in ${at}` : `${kindInWords.other} at ${at}`
  return new OutputMissing({ output: name, expected: "files, folders and links with names in UTF-8", actual })
}

/** Takes the files of one output into the store; nothing of an optional one that is not there. */
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
  if (Option.isNone(stat) && artifact.optional) return undefined
  const wanted = artifact.kind === "folder" ? "folder" : "file"
  if (Option.isNone(stat) || stat.value.kind !== wanted) {
    const actual = Option.isNone(stat) ? "nothing" : kindInWords[stat.value.kind]
    return yield* new OutputMissing({ output: name, expected: `a ${wanted} at ${artifact.path}`, actual })
  }
  // a record tells documents, files and folders apart
  const kind: Output["kind"] = artifact.kind === "json" || artifact.kind === "folder" ? artifact.kind : "file"
  const common = { kind, tag: artifact.tag, path: artifact.path, layOut: artifact.materialize }
  if (artifact.kind !== "folder") {
    const seen = yield* Tree.unlocked(location, stat.value)
    if (artifact.kind === "text" && ArtifactIO.textOf(yield* disk.read(location)) === undefined) {
      return yield* new OutputMissing({
        output: name,
        expected: `a text in UTF-8 at ${artifact.path}`,
        actual: "other bytes"
      })
    }
    const digest = artifact.kind === "json" ? yield* documentDigest(name, artifact, location) : undefined
    const blob = yield* blobs.take(location)
    const mode = Tree.fileMode(seen)
    const entry = { kind: "file", path: artifact.path, digest: blob, sizeBytes: seen.sizeBytes, mode } as const
    const output: Output = { ...common, digest: Tree.fileDigest(digest ?? blob, mode), entries: [entry] }
    return output
  }
  const below = yield* Tree.snapshot(location, memo, { ignore: () => false, of: "output", unlock: true }).pipe(
    Effect.mapError(unfit(name, location))
  )
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

/** Takes all declared outputs from `outputDir` into the store. */
export const takeOutputs = Effect.fnUntraced(function* (
  artifacts: Readonly<Record<string, Artifact.Any>>,
  outputDir: string,
  origins: Origins
) {
  const taken = yield* Effect.forEach(Object.entries(artifacts), ([name, artifact]) =>
    Effect.map(takeOutput(name, artifact, outputDir, origins), (output) => [name, output] as const)
  )
  return Object.fromEntries(taken.filter(([, output]) => output !== undefined)) as Readonly<Record<string, Output>>
})
