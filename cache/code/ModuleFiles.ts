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
import { readRecord, writeHint } from "../store/Commit.ts"
import { Disk, type DiskError, orAbsent } from "../store/Disk.ts"
import type { Layout } from "../store/Layout.ts"
import type { StatMemo } from "../store/StatMemo.ts"
import { CodeUnknown } from "./CodeFingerprint.ts"
import type { ModuleSyntax } from "./ModuleSyntax.ts"
import { once } from "./Once.ts"
import * as Packages from "./Packages.ts"
import type { StatRecorder } from "./StatSnapshot.ts"

/** Part of the memo's name: raise it when `ModuleSyntax` digests differently. */
const syntaxVersion = 4

export const moduleExtensions: ReadonlySet<string> = new Set([".ts", ".mts", ".cts", ".js", ".mjs", ".cjs", ".json"])

/** A module as it was when it was read. */
export interface ModuleFile {
  readonly digest: Digest.Digest
  readonly syntax: ModuleSyntax
}

type Op<A> = Effect.Effect<A, CodeUnknown | DiskError>

export interface ModuleFiles {
  readonly look: (file: string) => Op<ModuleFile>
  /** The file that the module `from` imports by the relative path `specifier`. */
  readonly resolve: (specifier: string, from: string) => Op<string>
  /** The folder of the package that a module lies in. */
  readonly packageRoot: (file: string) => Op<string>
  /** The name of the package in `folder`; empty if it has none. */
  readonly packageName: (folder: string) => Op<string>
  /** Remembers parsed modules for later runs. */
  readonly flush: Effect.Effect<void>
}

/** Where to look for a module that is imported by a path, in this order; core/start/bundle.mjs has the same list. */
const candidates = (target: string): ReadonlyArray<string> => [
  target,
  `${target}.ts`,
  `${target}.js`,
  path.join(target, "index.ts")
]

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
    const { parse } = yield* Effect.promise(() => import("./ModuleSyntax.ts"))
    // the file may have been edited since: the parsed bytes count
    const bytes = yield* disk.read(file)
    const parsed = parse(file, new TextDecoder().decode(bytes))
    if (Result.isFailure(parsed)) return yield* new CodeUnknown({ file, reason: parsed.failure.reason })
    const read = Digest.ofBytes(bytes)
    syntaxes.set(`${read}${extension}`, parsed.success)
    return { digest: read, syntax: parsed.success }
  })
  return { look: once((file: string) => file, find), flush: syntaxes.flush }
})

/** `recorder` notes all paths that are looked at to find modules. */
export const make = Effect.fnUntraced(function* (layout: Layout, memo: StatMemo, recorder: StatRecorder) {
  const { disk } = recorder
  const { look, flush } = yield* makeLook(layout, memo, recorder)

  const targetOf = (specifier: string, from: string): string => path.resolve(path.dirname(from), specifier)
  const resolve = Effect.fnUntraced(function* (specifier: string, from: string) {
    for (const candidate of candidates(targetOf(specifier, from))) {
      const stat = yield* orAbsent(disk.stat(candidate))
      // Node resolves imports from a module's real path
      if (Option.isSome(stat) && stat.value.kind !== "folder") return yield* disk.realPath(candidate)
    }
    return yield* new CodeUnknown({ file: from, reason: `it imports "${specifier}", but there is no such file` })
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
    resolve: once(targetOf, resolve),
    packageRoot,
    packageName: once((folder: string) => folder, packageName),
    flush
  }
  return modules
})
