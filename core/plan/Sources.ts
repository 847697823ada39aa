/**
 * Sources: where the data of a pipeline lies, its content now, and how it differs from earlier content.
 */
import { homedir } from "node:os"
import * as path from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Digest from "../../cache/identity/Digest.ts"
import { bodies, readRecord, writeHint } from "../../cache/store/Commit.ts"
import { Disk, type DiskError, kindInWords, orAbsent, type Stat } from "../../cache/store/Disk.ts"
import { type StatMemo, settle } from "../../cache/store/StatMemo.ts"
import { Store } from "../../cache/store/Store.ts"
import * as Tree from "../../cache/store/Tree.ts"
import * as SourceLink from "../../cache/store/tree/SourceLink.ts"
import * as TreeChange from "../../cache/store/tree/TreeChange.ts"
import type * as Artifact from "../pipeline/Artifact.ts"
import { type AnySource, type AnyStep, displayName } from "../pipeline/Step.ts"
import { type Prepared, type PreparedSource, sourceOf } from "./Prepared.ts"
import type { Settings } from "./Settings.ts"
import { SettingsError } from "./SettingsError.ts"

export interface SourceOptions {
  readonly settings: Settings
  /** Folders that the user named, by source. */
  readonly sourcePaths: Readonly<Record<string, string>>
  /** The pipeline's folder. */
  readonly root: string
  readonly dataDir: string
  /** The folder of the steps' outputs, if there is one. */
  readonly outputsDir?: string
  readonly notify: (line: string) => void
}

/** The path of a source that its `provide` says. */
const provided = Effect.fnUntraced(function* (
  source: AnySource,
  provide: NonNullable<AnySource["provide"]>,
  { settings, dataDir, notify }: SourceOptions
) {
  const { layout } = yield* Store
  const encoded = settings.sources[source.name] ?? {}
  const params =
    source.params === undefined ? {} : yield* Effect.orDie(Schema.decodeUnknownEffect(source.params)(encoded))
  const cacheDir = layout.toolchain(`source-${source.name}`)
  return yield* provide(params, { dataDir, cacheDir, notify, mayMake: layout.mayMake })
})

/** The path of a source: from the user, or from the pipeline, or from `provide`. */
export const locate = (source: AnySource, options: SourceOptions) => {
  const named = options.sourcePaths[source.name]
  if (named !== undefined) return Effect.succeed(path.resolve(named))
  if (source.path !== undefined) return Effect.succeed(path.resolve(options.root, source.path))
  if (source.provide !== undefined) return provided(source, source.provide, options)
  return new SettingsError({
    asked: `source ${source.name}`,
    expected: `a ${kindOf(source)}, named by --data ${source.name}=PATH or, for the first source, --data PATH`,
    actual: "none"
  })
}

const kindOf = ({ artifact }: AnySource): "folder" | "file" =>
  (artifact as Artifact.Any).kind === "folder" ? "folder" : "file"

const realPathOf = (location: string): Effect.Effect<Option.Option<string>, DiskError, Disk> =>
  Effect.flatMap(Disk, (disk) =>
    orAbsent(disk.realPath(/^~(?=\/|$)/u.test(location) ? `${homedir()}${location.slice(1)}` : location))
  )

/** The real path of `location`, also if it does not exist yet. */
const futurePath: (location: string) => Effect.Effect<string, DiskError, Disk> = Effect.fnUntraced(
  function* (location) {
    const real = yield* realPathOf(location)
    if (Option.isSome(real)) return real.value
    return path.join(yield* futurePath(path.dirname(location)), path.basename(location))
  }
)

/** Whether a path, or a folder around it, is left out of the source. */
const isLeftOut = (source: AnySource, below: string): boolean =>
  below.split("/").some((_part, index, parts) => source.ignore(parts.slice(0, index + 1).join("/")))

const refuseInFolder = Effect.fnUntraced(function* (source: AnySource, location: string, options: SourceOptions) {
  const disk = yield* Disk
  const { layout } = yield* Store
  const real = yield* realPathOf(location)
  if (Option.isNone(real)) return
  const written = { "--outputs": options.outputsDir, "--store": path.dirname(layout.root) }
  for (const [flag, folder] of Object.entries(written)) {
    const future = folder === undefined ? "" : yield* futurePath(folder)
    if (folder === undefined || !SourceLink.isIn(future, real.value)) continue
    if (!isLeftOut(source, path.relative(real.value, future).split(path.sep).join("/"))) {
      return yield* new SettingsError({
        asked: `${flag} ${folder}`,
        expected: `a folder outside of ${real.value}, the source ${source.name}`,
        actual: `a folder in it, whose files would count as data. Choose another folder with ${flag}, or other data with --data`
      })
    }
    // made during the run, it would change the folder around it, which may be the source
    if (layout.mayMake) yield* disk.makeFolder(folder)
  }
})

/** Fails if outputs or the store lie in a source: the files that a run writes would be data of the next one. */
export const refuseInside = (source: AnySource, location: string, options: SourceOptions) =>
  kindOf(source) === "folder" ? refuseInFolder(source, location, options) : Effect.void

const isArchive = (file: string): boolean => /\.(zip|tar|tgz|tar\.[a-z0-9]+|7z|rar)$/iu.test(file)

/** The digest of a file that has `stat`, once changes of it that nobody saw are seen. */
const digestOfFile = Effect.fnUntraced(function* (memo: StatMemo, file: string, stat: Stat) {
  yield* settle(memo, [[path.dirname(file), [{ name: path.basename(file), kind: "file", stat }]]])
  return yield* memo.digest(file, stat)
})

/** Not by `performance`: Node loads ten modules for it, in 1 to 4 ms of every run. */
export const nowMs = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos) / 1e6)

const look = Effect.fnUntraced(function* (source: AnySource, location: string) {
  const disk = yield* Disk
  const { memo } = yield* Store
  const startedMs = yield* nowMs
  const real = yield* realPathOf(location)
  const stat = Option.isSome(real) ? yield* orAbsent(disk.lstat(real.value)) : Option.none()
  const wanted = kindOf(source)
  if (Option.isNone(real) || Option.isNone(stat) || stat.value.kind !== wanted) {
    const archive = wanted === "folder" && isArchive(location) ? ". Unpack the archive, and name the folder" : ""
    const another = `name another with --data ${source.name}=PATH`
    const actual = Option.isNone(stat)
      ? `nothing there. Put it there, or ${another}`
      : `${kindInWords[stat.value.kind]}${archive || `. N${another.slice(1)}`}`
    const asked = `the ${wanted} ${location} for ${source.name}`
    return yield* new SettingsError({ asked, expected: `a ${wanted}`, actual })
  }
  const content =
    wanted === "folder"
      ? yield* Tree.source(real.value, memo, source)
      : // a single file counts by its content and not by its name
        Tree.ofFile(
          source.artifact.path,
          memo.known(real.value, stat.value) ?? (yield* digestOfFile(memo, real.value, stat.value)),
          stat.value
        )
  const seenMs = yield* nowMs
  const prepared: PreparedSource = { source, path: real.value, content, seenMs, tookMs: seenMs - startedMs }
  return prepared
})

/** A snapshot of a source; fails if there is none, or the user may not read it. */
export const snapshot = (source: AnySource, location: string) =>
  look(source, location).pipe(
    Effect.catchIf(
      (error) => error._tag === "DiskError" && error.code === "EACCES",
      ({ message }) =>
        new SettingsError({
          asked: `the ${kindOf(source)} ${location} for ${source.name}`,
          expected: "what you may read",
          actual: `that op-pipe ${message}`
        })
    )
  )

/** The name of an input's origin: `images`, `split.manifest`. */
export const portName = (port: AnyStep["inputs"][string]): string =>
  `${port.owner._tag === "Source" ? port.owner.name : `${displayName(port.owner.id)}.${port.output}`}${port.entry === undefined ? "" : `/${port.entry}`}`

/** How an input differs from its earlier content, in words. */
export const describeInput = Effect.fnUntraced(function* (
  prepared: Prepared,
  port: AnyStep["inputs"][string],
  before: Digest.Digest
) {
  const now = sourceOf(prepared, port)
  if (now === undefined || (port.entry !== undefined && now.source.artifact.kind !== "folder"))
    return `input ${portName(port)} changed`
  const old = yield* listed(before)
  return Option.isNone(old)
    ? `input ${portName(port)} changed`
    : `input ${portName(port)}: ${TreeChange.describe(old.value, yield* now.content.tree)}`
})

/** The files of the source with this digest, if the store has the list of them. */
export const listed = Effect.fnUntraced(function* (digest: Digest.Digest) {
  const disk = yield* Disk
  const listing = yield* listingOf(digest)
  if (Option.isNone(listing)) return Option.none<Tree.Tree>()
  return Schema.decodeUnknownOption(Schema.fromJsonString(Tree.Tree))(yield* disk.readText(listing.value))
})

/** The blob that lists the files of the source with this digest, if the store has it. */
const listingOf = Effect.fnUntraced(function* (digest: Digest.Digest) {
  const { blobs, layout } = yield* Store
  const record = Option.filter(yield* readRecord(layout.source(digest)), Digest.isDigest)
  return Option.isNone(record) ? Option.none<string>() : yield* blobs.verified(record.value)
})

/** Those of `sources` of which it is not certain, without reading a blob, that the store has the list of their files. */
const unlisted = Effect.fnUntraced(function* (sources: ReadonlyArray<PreparedSource>) {
  const disk = yield* Disk
  const { blobs, layout } = yield* Store
  const bodyOf = yield* bodies
  const look = disk.synchronously(layout.sources, (sync) =>
    sources.filter(({ content }) => {
      const text = sync.record(layout.source(content.digest))
      const blob = text === undefined ? undefined : bodyOf(text)
      return !Digest.isDigest(blob) || !blobs.isKnown(blob, sync)
    })
  )
  // what the disk has against it is told where the list is read
  return yield* Effect.orElseSucceed(look, () => sources)
})

const rememberOne = Effect.fnUntraced(function* ({ content: { digest, tree } }: PreparedSource) {
  const { blobs, layout } = yield* Store
  if (Option.isSome(yield* listingOf(digest))) return
  const listed = yield* tree
  // it may have changed since its snapshot
  if (Tree.digest(listed) !== digest) return
  const blob = yield* blobs.put(JSON.stringify(listed))
  yield* writeHint(layout, layout.source(digest), blob)
})

/** Stores the lists of the sources' files, so that later runs can say what changed; a list that cannot be stored is left out. */
export const remember = Effect.fnUntraced(function* (sources: ReadonlyArray<PreparedSource>) {
  for (const source of yield* unlisted(sources)) yield* Effect.ignore(rememberOne(source))
})
