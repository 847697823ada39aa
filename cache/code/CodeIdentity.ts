/**
 * CodeIdentity: the identity of a stage's code, with all that it reaches.
 *
 * From the stage's module along its imports (see ModuleClosure), each module counts as the digests of its top-level
 * statements and the order of those that are evaluated in sequence (see ModuleSyntax), a file that it may read as its
 * bytes, and each package by its version (see Packages). op-pipe's own modules are not followed: they count by a format tag (see Framework).
 *
 * Fingerprints are remembered with the stats of all files that were looked at (see StatSnapshot). While these are
 * unchanged, nothing is parsed or walked.
 */
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { Code } from "../identity/CacheKey.ts"
import * as CanonicalJson from "../identity/CanonicalJson.ts"
import type * as Digest from "../identity/Digest.ts"
import { readRecord, writeHint } from "../store/Commit.ts"
import { Disk, type DiskError } from "../store/Disk.ts"
import type { Purpose } from "../store/Layout.ts"
import { Rehash } from "../store/StatMemo.ts"
import { Store } from "../store/Store.ts"
import { CodeFingerprint, CodeUnknown, type Parts } from "./CodeFingerprint.ts"
import * as ModuleClosure from "./ModuleClosure.ts"
import * as ModuleFiles from "./ModuleFiles.ts"
import * as Packages from "./Packages.ts"
import * as PackageVersions from "./PackageVersions.ts"
import * as StatSnapshot from "./StatSnapshot.ts"

/** Part of the memo's name: raise it when fingerprints are made or written differently. */
const identityVersion = 10

/** Fingerprints by URL, and the stats of all files that were looked at for them. */
interface Remembered {
  readonly snapshot: StatSnapshot.StatSnapshot
  readonly fingerprints: Readonly<
    Record<string, Omit<Parts, "files"> & { readonly files: Readonly<Record<string, Digest.Digest>> }>
  >
}

/** The remembered fingerprints, if all files are unchanged. */
const recall = Effect.fnUntraced(
  function* (file: string) {
    const known = yield* readRecord(file)
    if (Option.isNone(known)) return undefined
    const remembered = JSON.parse(known.value) as Remembered
    return (yield* StatSnapshot.isCurrent(remembered.snapshot)) ? remembered : undefined
  },
  Effect.orElseSucceed(() => undefined)
)

/** Makes new fingerprints, and records all files that it looks at. */
const makeFingerprinter = Effect.gen(function* () {
  const { layout, memo } = yield* Store
  const recorder = StatSnapshot.record(yield* Disk)
  const { disk } = recorder
  const modules = yield* ModuleFiles.make(layout, memo, recorder)
  const digestOf = (file: string) => Effect.provideService(memo.digest(file), Disk, disk)
  const packages = yield* Effect.provideService(Packages.makeResolver(digestOf), Disk, disk)

  const of = Effect.fn("CodeIdentity.of")(
    function* (url: string) {
      const start = yield* disk.realPath(fileURLToPath(url))
      const { data, files, modules: statements, collected } = yield* ModuleClosure.explore({ modules, packages }, start)
      const sorted = Array.from(statements).sort(([a], [b]) => (a < b ? -1 : 1))
      const code: Code = { modules: Object.fromEntries(sorted), packages: PackageVersions.of(collected) }
      const text = yield* Effect.mapError(
        Effect.fromResult(CanonicalJson.encode(code)),
        ({ message }) => new CodeUnknown({ file: start, reason: message })
      )
      // what lies in a `node_modules` can be read anyway
      const linked = Array.from(collected.files.keys()).filter(
        (file) => ModuleFiles.moduleExtensions.has(path.extname(file)) && !file.includes(Packages.below)
      )
      const along = yield* ModuleClosure.loadedWith({ modules, packages }, files.keys())
      const loaded = new Set([...along.modules, ...data.keys(), ...linked])
      const places = new Set([...collected.places, ...along.packages])
      const all = new Map([...files, ...data, ...collected.files])
      return new CodeFingerprint({ text, files: all, loaded: Array.from(loaded), packages: Array.from(places).sort() })
    },
    (effect, url) =>
      Effect.mapError(effect, (error) =>
        error._tag === "DiskError" ? new CodeUnknown({ file: url, reason: error.message }) : error
      )
  )
  return { of, flush: modules.flush, snapshot: recorder.snapshot }
})

interface Fingerprints {
  readonly of: (url: string) => Effect.Effect<CodeFingerprint, CodeUnknown>
  readonly flush: Effect.Effect<void>
}

/** Fingerprints of the code as it is now: remembered ones if they are still valid, others on demand. */
const look = Effect.gen(function* () {
  const context = yield* Effect.context<Disk | Store>()
  const { layout } = yield* Store
  const file = layout.memo(`code-v${identityVersion}.json`)
  const remembered = (yield* Rehash) ? undefined : yield* recall(file)
  const known = new Map(
    Object.entries(remembered?.fingerprints ?? {}).map(([url, { files, ...parts }]) => [
      url,
      new CodeFingerprint({ ...parts, files: new Map(Object.entries(files)) })
    ])
  )
  const fingerprinter = yield* Effect.cached(Effect.provideContext(makeFingerprinter, context))
  let isNew = false
  const fingerprints: Fingerprints = {
    of: Effect.fnUntraced(function* (url: string) {
      const before = known.get(url)
      if (before !== undefined) return before
      const made = yield* (yield* fingerprinter).of(url)
      known.set(url, made)
      isNew = true
      return made
    }),
    flush: Effect.gen(function* () {
      if (!isNew) return
      isNew = false
      const { flush, snapshot } = yield* fingerprinter
      yield* flush
      const seen = yield* snapshot
      if (seen === undefined) return
      const entries = Array.from(known, ([url, { text, files, loaded, packages }]) => [
        url,
        { text, files: Object.fromEntries(files), loaded, packages }
      ])
      const merged = remembered === undefined ? seen : StatSnapshot.merge(remembered.snapshot, seen)
      const now: Remembered = { snapshot: merged, fingerprints: Object.fromEntries(entries) }
      yield* Effect.ignore(writeHint(layout, file, JSON.stringify(now)))
    }).pipe(Effect.provideContext(context))
  }
  return fingerprints
})

export class CodeIdentity extends Context.Service<
  CodeIdentity,
  {
    /** The fingerprint of the module at `url` (a `file:` URL) and all it reaches, as it was on the first call. */
    readonly of: Fingerprints["of"]
    /** The same, as it is at this moment. */
    readonly now: Fingerprints["of"]
    /** Remembers the fingerprints for later runs. */
    readonly flush: Fingerprints["flush"]
  }
>()("op-pipe/CodeIdentity") {
  static readonly layer: Layer.Layer<CodeIdentity, never, Disk | Store> = Layer.effect(
    CodeIdentity,
    Effect.gen(function* () {
      const context = yield* Effect.context<Disk | Store>()
      const { of, flush } = yield* look
      const now = (url: string) =>
        Effect.flatMap(Effect.provideContext(look, context), (fingerprints) => fingerprints.of(url))
      return CodeIdentity.of({ of, now, flush })
    })
  )

  /** The service together with the store in `folder`. */
  static readonly layerIn = (
    folder: string,
    purpose: Purpose = {}
  ): Layer.Layer<CodeIdentity | Store, DiskError, Disk> =>
    CodeIdentity.layer.pipe(Layer.provideMerge(Store.layer(folder, purpose)))
}
