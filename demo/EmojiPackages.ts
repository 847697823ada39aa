/**
 * The emoji packages: from the project's `node_modules`, or from a folder of their own, into which npm fetches pinned
 * versions on first use.
 */
import { createRequire } from "node:module"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { emojiNames, emojiSets } from "./EmojiClasses.ts"
import { CodePoints, Emoji, type EmojiSources, IconSet } from "./EmojiPlan.ts"

/** The demo set cannot be made; `toDo` says what may help. */
export class DemoError extends Schema.TaggedError<DemoError>()("DemoError", {
  reason: Schema.String,
  expected: Schema.String,
  actual: Schema.String,
  toDo: Schema.String
}) {
  override get message(): string {
    return `${this.reason} (expected ${this.expected}, but ${this.actual}). ${this.toDo}`
  }
}

interface Wanted {
  readonly packageName: string
  readonly version: string
}

const wanted: ReadonlyArray<Wanted> = [...emojiSets, emojiNames]

const PackageJson = Schema.fromJsonString(Schema.Struct({ version: Schema.String }))

/** The package's folder if `from` (a folder with `node_modules`) has it at the wanted version. */
const locateIn = Effect.fnUntraced(function* (from: string, { packageName, version }: Wanted) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const folder = paths.join(from, "node_modules", ...packageName.split("/"))
  return yield* fs.readFileString(paths.join(folder, "package.json")).pipe(
    Effect.flatMap(Schema.decodeUnknownEffect(PackageJson)),
    Effect.map((found) => (found.version === version ? folder : undefined)),
    Effect.catch(() => Effect.succeed(undefined))
  )
})

/** Every folder whose `node_modules` would resolve this module's own imports. */
const ownRoots = Effect.gen(function* () {
  const paths = yield* Path.Path
  const lookup = createRequire(import.meta.url).resolve.paths("effect") ?? []
  return lookup.map((folder) => paths.dirname(folder))
})

const locate = Effect.fnUntraced(function* (roots: ReadonlyArray<string>) {
  const folders = new Map<string, string>()
  for (const want of wanted) {
    for (const root of roots) {
      const folder = yield* locateIn(root, want)
      if (folder === undefined) continue
      folders.set(want.packageName, folder)
      break
    }
  }
  return folders
})

const npmFailed = (missing: ReadonlyArray<Wanted>, actual: string) =>
  new DemoError({
    reason: `npm could not fetch ${missing.length} packages that the demo images are drawn from`,
    expected: missing.map((want) => `${want.packageName}@${want.version}`).join(", "),
    actual,
    toDo: "Check the connection to the npm registry, then run this again; or use your own images with --data DIR"
  })

const install = Effect.fnUntraced(function* (cacheDir: string, missing: ReadonlyArray<Wanted>) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  yield* fs.makeDirectory(cacheDir, { recursive: true })
  // without a package.json of its own, npm would look for one in the folders above
  yield* fs.writeFileString(paths.join(cacheDir, "package.json"), '{ "private": true }\n')
  const names = missing.map((want) => `${want.packageName}@${want.version}`)
  const options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
  const child = yield* spawner.spawn(
    ChildProcess.make("npm", ["install", "--prefix", cacheDir, ...options, ...names], { cwd: cacheDir })
  )
  const said = yield* child.all.pipe(Stream.decodeText(), Stream.mkString)
  const exitCode = yield* child.exitCode
  if (exitCode !== 0) return yield* npmFailed(missing, `npm ended with ${exitCode}: ${said.trim().slice(0, 600)}`)
}, Effect.scoped)

/** Folders of all packages, by name; fetches what is missing into `cacheDir`. */
const obtain = Effect.fnUntraced(function* (cacheDir: string, notify: (line: string) => void) {
  const roots = [...(yield* ownRoots), cacheDir]
  const here = yield* locate(roots)
  const missing = wanted.filter((want) => !here.has(want.packageName))
  if (missing.length === 0) return here
  notify(`Fetching ${missing.length} packages of open emoji art from the npm registry (once)`)
  yield* install(cacheDir, missing).pipe(
    Effect.catchTag("PlatformError", (cause) =>
      Effect.fail(npmFailed(missing, `npm could not be run: ${cause.message}`))
    )
  )
  const found = yield* locate(roots)
  const still = wanted.filter((want) => !found.has(want.packageName))
  return still.length === 0 ? found : yield* npmFailed(still, `npm succeeded, but the packages are not in ${cacheDir}`)
})

const readJson = Effect.fnUntraced(function* <A, I>(schema: Schema.Codec<A, I>, ...parts: ReadonlyArray<string>) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const path = paths.join(...parts)
  const text = yield* fs.readFileString(path)
  return yield* Schema.decodeUnknownEffect(Schema.fromJsonString(schema))(text).pipe(
    Effect.mapError(
      (cause) =>
        new DemoError({
          reason: `A file of an emoji package is damaged: ${path}`,
          expected: "the document of the pinned version",
          actual: cause.message,
          toDo: "Remove the package's folder, then run this again"
        })
    )
  )
})

/** Title, artist and licence of a set, as its package states them. */
export const SetInfo = Schema.Struct({
  name: Schema.String,
  author: Schema.Struct({ name: Schema.String, url: Schema.String }),
  license: Schema.Struct({ title: Schema.String, spdx: Schema.String, url: Schema.String })
})
export type SetInfo = typeof SetInfo.Type

export interface LoadedEmoji {
  readonly sources: EmojiSources
  /** By the set's name. */
  readonly infos: Readonly<Record<string, SetInfo>>
}

/** The contents of the packages that the demo needs. */
export const loadEmoji = Effect.fnUntraced(function* (cacheDir: string, notify: (line: string) => void) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const folders = yield* obtain(cacheDir, notify)
  const folderOf = (packageName: string): string => folders.get(packageName)!
  const base = folderOf(emojiNames.packageName)
  const emoji = yield* readJson(Schema.Array(Emoji), base, "en", "data.json")
  const Groups = Schema.Struct({ subgroups: Schema.Record(Schema.String, Schema.String) })
  const { subgroups } = yield* readJson(Groups, base, "meta", "groups.json")
  const sets: Record<string, { readonly icons: IconSet; readonly codePoints: CodePoints }> = {}
  const infos: Record<string, SetInfo> = {}
  for (const set of emojiSets) {
    const folder = folderOf(set.packageName)
    const icons = yield* readJson(IconSet, folder, "icons.json")
    const hasCodePoints = yield* fs.exists(paths.join(folder, "chars.json"))
    sets[set.name] = { icons, codePoints: hasCodePoints ? yield* readJson(CodePoints, folder, "chars.json") : {} }
    infos[set.name] = yield* readJson(SetInfo, folder, "info.json")
  }
  return { sources: { emoji, subgroups, sets }, infos } satisfies LoadedEmoji
})
