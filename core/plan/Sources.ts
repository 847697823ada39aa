/**
 * Sources: where the content from outside of a pipeline lies, what it is now, and how it differs from what it was.
 */
import { homedir } from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Digest from "../../cache/identity/Digest.ts"
import { bodies, readRecord, writeHint } from "../../cache/store/Commit.ts"
import { Disk, type DiskError, orAbsent } from "../../cache/store/Disk.ts"
import { Store } from "../../cache/store/Store.ts"
import * as Tree from "../../cache/store/Tree.ts"
import type * as Artifact from "../pipeline/Artifact.ts"
import type { AnySource, AnyStep } from "../pipeline/Step.ts"
import type { Prepared, PreparedSource } from "./Prepared.ts"
import { type Settings, SettingsError } from "./Settings.ts"

export interface SourceOptions {
  readonly settings: Settings
  /** Folders that the user named, by source. */
  readonly sourcePaths: Readonly<Record<string, string>>
  /** The pipeline's folder. */
  readonly root: string
  readonly dataDir: string
  /** Where steps are laid out, if they are. */
  readonly outputsDir?: string
  readonly notify: (line: string) => void
}

/** Where a source lies: where the user says, or the pipeline, or where `provide` puts it. */
export const locate = Effect.fnUntraced(function* (source: AnySource, options: SourceOptions) {
  const named = options.sourcePaths[source.name]
  const { layout } = yield* Store
  if (named !== undefined) return path.resolve(named)
  if (source.path !== undefined) return path.resolve(options.root, source.path)
  if (source.provide === undefined) {
    return yield* new SettingsError({
      asked: `source ${source.name}`,
      expected: `a ${kindOf(source)}, named by --data ${source.name}=PATH or, for the first source, --data PATH`,
      actual: "none"
    })
  }
  const { dataDir, notify } = options
  const encoded = options.settings.sources[source.name] ?? {}
  const params =
    source.params === undefined ? {} : yield* Effect.orDie(Schema.decodeUnknownEffect(source.params)(encoded))
  return yield* source.provide(params, { dataDir, cacheDir: layout.toolchain(`source-${source.name}`), notify })
})

const kindOf = ({ artifact }: AnySource): "folder" | "file" =>
  (artifact as Artifact.Any).kind === "folder" ? "folder" : "file"

const realPathOf = (location: string): Effect.Effect<Option.Option<string>, DiskError, Disk> =>
  Effect.flatMap(Disk, (disk) => orAbsent(disk.realPath(location.replace(/^~(?=\/|$)/, homedir()))))

/** Where `location` is or will be, without links. */
const futurePath: (location: string) => Effect.Effect<string, DiskError, Disk> = Effect.fnUntraced(
  function* (location) {
    const real = yield* realPathOf(location)
    if (Option.isSome(real)) return real.value
    return path.join(yield* futurePath(path.dirname(location)), path.basename(location))
  }
)

/** True of what lies in a folder that the source leaves out. */
const isLeftOut = (source: AnySource, below: string): boolean =>
  below.split("/").some((_part, index, parts) => source.ignore(parts.slice(0, index + 1).join("/")))

/** Refuses to write into a source: what a run wrote would be the data of the next one. */
export const refuseInside = Effect.fnUntraced(function* (source: AnySource, location: string, options: SourceOptions) {
  const disk = yield* Disk
  const { layout } = yield* Store
  if (kindOf(source) !== "folder") return
  const real = yield* realPathOf(location)
  if (Option.isNone(real)) return
  const written = { "--outputs": options.outputsDir, "--store": path.dirname(layout.root) }
  for (const [flag, folder] of Object.entries(written)) {
    const future = folder === undefined ? "" : yield* futurePath(folder)
    if (folder === undefined || !Tree.isIn(future, real.value)) continue
    if (!isLeftOut(source, path.relative(real.value, future).split(path.sep).join("/"))) {
      return yield* new SettingsError({
        asked: `${flag} ${folder}`,
        expected: `a folder outside of ${real.value}, the source ${source.name}`,
        actual: `one in it: what is written there would count as data. Choose another with ${flag}, or other data with --data`
      })
    }
    // Were it made during the run, the folder it lies in would seem to be written to.
    yield* disk.makeFolder(folder)
  }
})

/** Reads what a source holds now; one that is not there is bad input. */
export const snapshot = Effect.fnUntraced(function* (source: AnySource, location: string) {
  const disk = yield* Disk
  const { memo } = yield* Store
  const startedMs = performance.now()
  const real = yield* realPathOf(location)
  const stat = Option.isSome(real) ? yield* orAbsent(disk.lstat(real.value)) : Option.none()
  const wanted = kindOf(source)
  if (Option.isNone(real) || Option.isNone(stat) || stat.value.kind !== wanted) {
    const actual = Option.isNone(stat) ? "nothing there" : `a ${stat.value.kind}`
    const asked = `the ${wanted} ${location} for ${source.name}`
    return yield* new SettingsError({ asked, expected: `a ${wanted}`, actual })
  }
  const content =
    wanted === "folder"
      ? yield* Tree.source(real.value, memo, source.ignore)
      : // One file counts by its content; what it is called is not part of that.
        Tree.ofFile(source.artifact.path, yield* memo.digest(real.value, stat.value), stat.value)
  const seenMs = performance.now()
  const prepared: PreparedSource = { source, path: real.value, content, seenMs, tookMs: seenMs - startedMs }
  return prepared
})

/** Where an input's content comes from: `images`, `split.manifest`. */
const portName = (port: AnyStep["inputs"][string]): string =>
  port.owner._tag === "Source" ? port.owner.name : `${port.owner.id}.${port.output}`

/** How the content of an input differs from what it was, in words. */
export const describeInput = Effect.fnUntraced(function* (
  prepared: Prepared,
  port: AnyStep["inputs"][string],
  before: Digest.Digest
) {
  const disk = yield* Disk
  if (port.owner._tag !== "Source") return `input ${portName(port)} changed`
  const now = prepared.sources.get(port.owner.name)
  const listing = yield* listingOf(before)
  if (now === undefined || Option.isNone(listing)) return `input ${portName(port)} changed`
  const old = Schema.decodeUnknownOption(Schema.fromJsonString(Tree.Tree))(yield* disk.readText(listing.value))
  return Option.isNone(old)
    ? `input ${portName(port)} changed`
    : `input ${portName(port)}: ${Tree.describeChange(old.value, yield* now.content.tree)}`
})

/** The blob that lists the files of the source with this digest, if it is there. */
const listingOf = Effect.fnUntraced(function* (digest: Digest.Digest) {
  const { blobs, layout } = yield* Store
  const record = Option.filter(yield* readRecord(layout.source(digest)), Digest.isDigest)
  return Option.isNone(record) ? Option.none<string>() : yield* blobs.verified(record.value)
})

const isListed = Effect.fnUntraced(function* (digest: Digest.Digest) {
  const disk = yield* Disk
  const { blobs, layout } = yield* Store
  const bodyOf = yield* bodies
  const known = yield* disk.synchronously(layout.source(digest), (sync) => {
    const text = sync.text(layout.source(digest))
    const blob = text === undefined ? undefined : bodyOf(text)
    return Digest.isDigest(blob) && blobs.isKnown(blob, sync)
  })
  return known || Option.isSome(yield* listingOf(digest))
})

/** Keeps the list of a source's files, to tell later what changed in it. */
export const remember = Effect.fnUntraced(function* (prepared: PreparedSource) {
  const { blobs, layout } = yield* Store
  const { digest, tree } = prepared.content
  if (yield* isListed(digest)) return
  const listed = yield* tree
  // It may have changed since it was looked at.
  if (Tree.digest(listed) !== digest) return
  const blob = yield* blobs.put(JSON.stringify(listed))
  yield* writeHint(layout, layout.source(digest), blob)
})
