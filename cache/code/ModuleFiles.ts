/**
 * ModuleFiles: modules as files: their syntax, the files that imports resolve to, and the packages that they lie in.
 *
 * Each module is read once; every stage that reaches it sees it as it was at that moment.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Digest from "../identity/Digest.ts"
import * as Resolver from "../identity/Resolver.cjs"
import { readRecord, writeHint } from "../store/Commit.ts"
import { Disk, type DiskError, orAbsent, type SyncDisk } from "../store/Disk.ts"
import type { Layout } from "../store/Layout.ts"
import type { StatMemo } from "../store/StatMemo.ts"
import { CodeUnknown } from "./CodeFingerprint.ts"
import { once } from "./Once.ts"
import * as Packages from "./Packages.ts"
import type { StatRecorder } from "./StatSnapshot.ts"
import type { ModuleSyntax } from "./syntax/ModuleSyntax.ts"

/** Part of the memo's name: raise it when `ModuleSyntax` digests differently. */
const syntaxVersion = 5

export const moduleExtensions: ReadonlySet<string> = new Set(Resolver.moduleExtensions)

/** A module as it was when it was read. */
export interface ModuleFile {
  readonly digest: Digest.Digest
  readonly syntax: ModuleSyntax
}

type Op<A> = Effect.Effect<A, CodeUnknown | DiskError>

export interface ModuleFiles {
  readonly look: (file: string) => Op<ModuleFile>
  /** The digest of a file that need not be a module; undefined if there is none. */
  readonly digest: (file: string) => Op<Digest.Digest | undefined>
  /** What the module `from` imports as `specifier`; of a file, its real path. */
  readonly resolve: (asked: Omit<Resolver.Asked, "folder">, from: string) => Op<Resolver.Resolved>
  /** That `from` imports what is not there, with the place. */
  readonly missing: (specifier: string, from: string, problem: string) => Op<CodeUnknown>
  /** The folder of the package that a module lies in. */
  readonly packageRoot: (file: string) => Op<string>
  /** The name of the package in `folder`; empty if it has none. */
  readonly packageName: (folder: string) => Op<string>
  /** Remembers parsed modules for later runs. */
  readonly flush: Effect.Effect<void>
}

/** The syntax of modules by their content, as earlier runs parsed them. */
const loadSyntaxes = Effect.fnUntraced(function* (layout: Layout) {
  const disk = yield* Disk
  const file = layout.memo(`syntax-v${syntaxVersion}.json`)
  const body = yield* readRecord(file).pipe(Effect.orElseSucceed(Option.none<string>))
  const known = Option.match(body, {
    onNone: () => ({}),
    onSome: (text) => JSON.parse(text) as Record<string, ModuleSyntax>
  })
  const syntaxes = new Map(Object.entries(known))
  let isNew = false
  return {
    get: (name: string): ModuleSyntax | undefined => syntaxes.get(name),
    set: (name: string, syntax: ModuleSyntax): void => {
      syntaxes.set(name, syntax)
      isNew = true
    },
    flush: Effect.suspend(() => {
      if (!isNew) return Effect.void
      isNew = false
      return Effect.ignore(writeHint(layout, file, JSON.stringify(Object.fromEntries(syntaxes))))
    }).pipe(Effect.provideService(Disk, disk))
  }
})

/** Makes `look`: a module whose content was parsed before is known by its digest. */
const makeLook = Effect.fnUntraced(function* (layout: Layout, memo: StatMemo, recorder: StatRecorder) {
  const disk = yield* Disk
  const syntaxes = yield* loadSyntaxes(layout)
  const find = Effect.fnUntraced(function* (file: string): Effect.fn.Return<ModuleFile, CodeUnknown | DiskError> {
    const extension = path.extname(file)
    if (!moduleExtensions.has(extension)) {
      const expected = `expected a module, whose name ends in ${Array.from(moduleExtensions).join(", ")}`
      return yield* new CodeUnknown({ file, reason: `${expected}. Let the stage read any other file as an input` })
    }
    recorder.note(file)
    const digest = yield* Effect.provideService(memo.digest(file), Disk, disk)
    const known = syntaxes.get(`${digest}${extension}`)
    if (known !== undefined) return { digest, syntax: known }
    // the parser is loaded for new content only: it takes longer than a run with nothing to do
    const { parse } = yield* Effect.promise(() => import("./syntax/ModuleSyntax.ts"))
    // the file may have been edited since: the parsed bytes count
    const bytes = yield* disk.read(file)
    const parsed = parse(file, new TextDecoder().decode(bytes))
    if (Result.isFailure(parsed)) {
      const { file: place, reason } = parsed.failure
      return yield* new CodeUnknown({ file: place, reason })
    }
    const read = Digest.ofBytes(bytes)
    syntaxes.set(`${read}${extension}`, parsed.success)
    return { digest: read, syntax: parsed.success }
  })
  return { look: once((file: string) => file, find), flush: syntaxes.flush }
})

/** The disk as the resolver sees it; `recorder` notes what it looks at. */
const lookThrough = (sync: SyncDisk, recorder: StatRecorder): Resolver.Look => ({
  kind: (file) => {
    const stat = sync.stat(file)
    recorder.note(file, stat !== undefined)
    return stat?.kind
  },
  text: (file) => {
    const text = sync.text(file)
    recorder.note(file, text !== undefined)
    return text
  },
  names: (folder) => {
    const names = sync.names(folder)
    recorder.note(folder, names !== undefined)
    return names ?? []
  }
})

/** `recorder` notes all paths that are looked at to find modules. */
export const make = Effect.fnUntraced(function* (layout: Layout, memo: StatMemo, recorder: StatRecorder) {
  const { disk } = recorder
  const { look, flush } = yield* makeLook(layout, memo, recorder)

  const resolve = Effect.fnUntraced(function* (asked: Omit<Resolver.Asked, "folder">, from: string) {
    const folder = path.dirname(from)
    const found = yield* disk.synchronously(from, (sync) =>
      Resolver.make(lookThrough(sync, recorder)).resolve({ ...asked, folder })
    )
    // Node resolves imports from a module's real path
    return found.type === "file" ? { ...found, file: yield* disk.realPath(found.file) } : found
  })

  const missing = Effect.fnUntraced(function* (specifier: string, from: string, problem: string) {
    const text = yield* disk.readText(from)
    const place = Resolver.placeOfImport(from, text, specifier)
    return new CodeUnknown({ file: place, reason: `expected a module behind "${specifier}", but ${problem}` })
  })

  const digest = Effect.fnUntraced(function* (file: string) {
    const stat = yield* orAbsent(disk.stat(file))
    if (Option.isNone(stat) || stat.value.kind !== "file") return undefined
    return yield* Effect.provideService(memo.digest(file), Disk, disk)
  })

  const packageRoot = Effect.fnUntraced(function* (file: string) {
    for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
      const manifest = yield* orAbsent(disk.stat(path.join(folder, "package.json")))
      if (Option.isSome(manifest) || folder === path.dirname(folder)) return folder
    }
  })

  const packageName = Effect.fnUntraced(function* (folder: string) {
    const manifest = yield* orAbsent(disk.readText(path.join(folder, "package.json")))
    return Option.getOrElse(Option.flatMap(manifest, Packages.nameIn), () => "")
  })

  const modules: ModuleFiles = {
    look,
    digest,
    resolve: once(
      ({ specifier, isRequired, native }, from) => [path.dirname(from), isRequired, native, specifier].join("\0"),
      resolve
    ),
    missing,
    packageRoot,
    packageName: once((folder: string) => folder, packageName),
    flush
  }
  return modules
})
