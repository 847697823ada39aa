/**
 * CodeIdentity: what a stage's code is, by all that it reaches.
 *
 * From the stage's module along relative imports, each module counts as the digests of its top-level statements and the
 * order of those that are evaluated in their turn (see ModuleSyntax), and each package by its version (see Packages). A module that only re-exports counts by those
 * re-exports that are asked for: a stage that takes `Stage` from the framework's index does not depend on its runner.
 *
 * What was found is remembered with all that was looked at (see Watch): while that is as it was, nothing is parsed or walked.
 *
 * op-pipe's own modules are not followed: they count by a format tag (see Framework).
 *
 * Gotchas:
 * - Imports through `package.json#imports` (`#name`) are not followed and are an error.
 * - A re-exporting module is taken to have no effect of its own on being loaded.
 */
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type Code, orderOfStatements } from "../identity/CacheKey.ts"
import * as CanonicalJson from "../identity/CanonicalJson.ts"
import * as Digest from "../identity/Digest.ts"
import { readRecord, writeHint } from "../store/Commit.ts"
import { Disk, type DiskError, orAbsent } from "../store/Disk.ts"
import type { Layout } from "../store/Layout.ts"
import type { StatMemo } from "../store/StatMemo.ts"
import * as Framework from "./Framework.ts"
import type * as ModuleSyntax from "./ModuleSyntax.ts"
import * as Packages from "./Packages.ts"
import * as Watch from "./StatSnapshot.ts"

/** The code of a stage cannot be known in full. */
export class CodeUnknown extends Schema.TaggedError<CodeUnknown>()("CodeUnknown", {
  file: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `the code identity of ${this.file} cannot be told: ${this.reason}`
  }
}

/** Counted into the memo's name: raise it when `ModuleSyntax` digests differently. */
const syntaxVersion = 4

const moduleExtensions = new Set([".ts", ".mts", ".cts", ".js", ".mjs", ".cjs", ".json"])

/** A module, as it was when it was looked at. */
interface Looked {
  readonly digest: Digest.Digest
  readonly syntax: ModuleSyntax.ModuleSyntax
}

interface Asked {
  readonly file: string
  readonly names: "all" | ReadonlyArray<string>
}

const wants = (names: Asked["names"], offered: "all" | ReadonlyArray<string>): boolean =>
  names === "all" || offered === "all" || offered.some((name) => names.includes(name))

/** The names to ask of what a re-export re-exports. */
const passOn = (names: Asked["names"], reexport: NonNullable<ModuleSyntax.Declaration["reexport"]>): Asked["names"] => {
  const { offers, from } = reexport
  if (names === "all" || from.names === "all") return offers === "all" && names !== "all" ? names : "all"
  const local = from.names
  return offers === "all" ? names : local.filter((_, index) => names.includes(offers[index] ?? ""))
}

const unique = (names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const seen = new Map<string, number>()
  return names.map((name) => {
    const count = (seen.get(name) ?? 0) + 1
    seen.set(name, count)
    return count === 1 ? name : `${name} (${count})`
  })
}

const titlesOf = (syntax: ModuleSyntax.ModuleSyntax): ReadonlyArray<string> =>
  unique(syntax.declarations.map((each) => each.name))

/** The order of those `statements` of a module that are evaluated in their turn, where there is more than one. */
const orderIn = (syntax: ModuleSyntax.ModuleSyntax, statements: object): Readonly<Record<string, Digest.Digest>> => {
  const ordered = titlesOf(syntax).filter(
    (title, index) => title in statements && syntax.declarations[index]?.hoisted !== true
  )
  return ordered.length < 2 ? {} : { [orderOfStatements]: Digest.ofJson("Order/v1", ordered) }
}

/** A stage's code, and the files that it was told from. */
export class Identified {
  /** The canonical JSON of the code: for a key, nothing more is needed. */
  readonly text: string
  /** Absolute path -> SHA-256 of the file, for each module that was looked at and all that linked packages hold. */
  readonly files: ReadonlyMap<string, Digest.Digest>
  /** Every module that may be loaded with it, also what a re-exporting module loads and nobody asks for, and all of linked packages. */
  readonly loaded: ReadonlyArray<string>

  constructor({ text, files, loaded }: Pick<Identified, "text" | "files" | "loaded">) {
    this.text = text
    this.files = files
    this.loaded = loaded
  }

  get code(): Code {
    return JSON.parse(this.text) as Code
  }
}

export interface CodeIdentity {
  /** The identity of the module at `url` (a `file:` URL) and all it reaches. */
  readonly of: (url: string) => Effect.Effect<Identified, CodeUnknown, Disk>
  readonly flush: Effect.Effect<void, never, Disk>
}

/** Where a module is looked for that is imported by a path, in this order; core/start/bundle.mjs has the same list. */
const candidates = (target: string): ReadonlyArray<string> => [
  target,
  `${target}.ts`,
  `${target}.js`,
  path.join(target, "index.ts")
]

/** Counted into the name of what is remembered: raise it when an identity is told differently, or written differently. */
const identityVersion = 6

/** Identities by URL, and what was looked at for all of them. */
interface Remembered {
  readonly sights: Watch.Sights
  readonly identities: Readonly<
    Record<string, Pick<Identified, "text" | "loaded"> & { readonly files: Readonly<Record<string, Digest.Digest>> }>
  >
}

/** The identities that were remembered, if all is as it was. */
const recall = Effect.fnUntraced(
  function* (file: string) {
    const known = yield* readRecord(file)
    if (Option.isNone(known)) return undefined
    const remembered = JSON.parse(known.value) as Remembered
    return (yield* Watch.holds(remembered.sights)) ? remembered : undefined
  },
  Effect.orElseSucceed(() => undefined)
)

/** Tells identities. Looks at each module once: what it was at that moment, it is for every stage that reaches it. */
const makeTeller = Effect.fnUntraced(function* (layout: Layout, memo: StatMemo) {
  const watch = Watch.make(yield* Disk)
  const { disk } = watch
  const digestOf = (file: string) => Effect.provideService(memo.digest(file), Disk, disk)
  const packages = yield* Effect.provideService(Packages.makeResolver(digestOf), Disk, disk)
  const memoPath = layout.memo(`syntax-v${syntaxVersion}.json`)
  const known = yield* readRecord(memoPath).pipe(Effect.orElseSucceed(Option.none<string>))
  const syntaxes = new Map(
    Option.match(known, {
      onNone: () => [],
      onSome: (body) => Object.entries(JSON.parse(body) as Record<string, ModuleSyntax.ModuleSyntax>)
    })
  )
  let dirty = false

  const looked = new Map<string, Looked>()
  const resolved = new Map<string, string>()

  const syntaxOf = Effect.fnUntraced(function* (file: string) {
    const before = looked.get(file)
    if (before !== undefined) return before
    const found = yield* lookAt(file)
    looked.set(file, found)
    return found
  })

  const lookAt = Effect.fnUntraced(function* (file: string): Effect.fn.Return<Looked, CodeUnknown | DiskError, Disk> {
    const extension = path.extname(file)
    if (!moduleExtensions.has(extension)) {
      const reason = `it is no module: expected a name that ends in ${Array.from(moduleExtensions).join(", ")}. Let the stage read such a file as an input`
      return yield* new CodeUnknown({ file, reason })
    }
    watch.note(file)
    const digest: Digest.Digest = yield* memo.digest(file)
    const remembered = syntaxes.get(`${digest}${extension}`)
    if (remembered !== undefined) return { digest, syntax: remembered }
    // the parser is loaded for a file that is new, and not for a run in which nothing is
    const { parse } = yield* Effect.promise(() => import("./ModuleSyntax.ts"))
    // it may have been edited since: what is told is of the bytes that are parsed
    const bytes = yield* disk.read(file)
    const parsed = parse(file, new TextDecoder().decode(bytes))
    if (Result.isFailure(parsed)) return yield* new CodeUnknown({ file, reason: parsed.failure.reason })
    const read = Digest.ofBytes(bytes)
    syntaxes.set(`${read}${extension}`, parsed.success)
    dirty = true
    return { digest: read, syntax: parsed.success }
  })

  const resolveRelative = Effect.fnUntraced(function* (specifier: string, from: string) {
    const target = path.resolve(path.dirname(from), specifier)
    const before = resolved.get(target)
    if (before !== undefined) return before
    for (const candidate of candidates(target)) {
      const stat = yield* orAbsent(disk.stat(candidate))
      if (Option.isNone(stat) || stat.value.kind === "folder") continue
      // Node loads a module from where it lies in truth, and so does what it imports.
      const file = yield* disk.realPath(candidate)
      resolved.set(target, file)
      return file
    }
    return yield* new CodeUnknown({ file: from, reason: `it imports "${specifier}", which is not there` })
  })

  const packageRoot = Effect.fnUntraced(function* (file: string) {
    for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
      const manifest = yield* orAbsent(disk.stat(path.join(folder, "package.json")))
      if (Option.isSome(manifest) || folder === path.dirname(folder)) return folder
    }
  })

  const names = new Map<string, string>()
  const nameOf = Effect.fnUntraced(function* (folder: string) {
    const known = names.get(folder)
    if (known !== undefined) return known
    const manifest = yield* orAbsent(disk.readText(path.join(folder, "package.json")))
    const name = Option.getOrElse(Option.flatMap(manifest, Packages.nameIn), () => "")
    names.set(folder, name)
    return name
  })

  /** What a module is called: its path in the stage's package or, where a link led out of that, another one's name with its path in it. */
  const labelOf = Effect.fnUntraced(function* (file: string, root: string) {
    const isInside = file.startsWith(root + path.sep)
    const folder = isInside ? root : yield* packageRoot(file)
    const at = path.relative(folder, file).split(path.sep).join("/")
    return isInside ? at : `${yield* nameOf(folder)}:${at}`
  })

  /** Labels of one identity: where two packages have one name, or none, the second of their modules is told by the way to it. */
  const makeLabels = (root: string) => {
    const taken = new Map<string, string>()
    return Effect.fnUntraced(function* (file: string) {
      const label = yield* labelOf(file, root)
      const owner = taken.get(label) ?? file
      taken.set(label, owner)
      return owner === file ? label : `${label} (${path.relative(root, file).split(path.sep).join("/")})`
    })
  }

  /** Goes along imports from the stage's module at `start`. */
  const explore = Effect.fnUntraced(function* (start: string, root: string) {
    const queue: Array<Asked> = [{ file: start, names: "all" }]
    const done = new Set<string>()
    const files = new Map<string, Digest.Digest>()
    const modules = new Map<string, Record<string, string>>()
    const collected = Packages.nothing()
    const label = makeLabels(root)

    const followPackage = Effect.fnUntraced(function* (from: string, by: string, specifier: string) {
      const name = Packages.packageName(specifier)
      if (name === undefined) return
      if (name === Framework.packageName && name !== (yield* nameOf(root))) {
        collected.hasFramework = true
        return
      }
      const refuse = (reason: string) => new CodeUnknown({ file: from, reason: `${reason}; import by a relative path` })
      if (name.startsWith("#") || name === "" || name.includes(":")) {
        return yield* refuse(`imports such as "${specifier}" are not followed`)
      }
      if (name === (yield* nameOf(yield* packageRoot(from)))) {
        return yield* refuse(`"${specifier}" is its own package, of which imports by name are not followed`)
      }
      const found = yield* packages.collect(name, by, path.dirname(from), collected)
      if (found !== undefined && `${root}${path.sep}`.startsWith(`${found.folder}${path.sep}`)) {
        return yield* refuse(`"${specifier}" leads to a folder that the stage lies in itself`)
      }
    })

    const follow = Effect.fnUntraced(function* (
      from: string,
      statements: Record<string, string>,
      target: ModuleSyntax.ModuleImport,
      names: Asked["names"]
    ) {
      const { specifier } = target
      if (!specifier.startsWith(".")) return yield* followPackage(from, yield* label(from), specifier)
      const file = yield* resolveRelative(specifier, from)
      if (Framework.isFramework(file)) {
        collected.hasFramework = true
        return
      }
      // what is imported is known by its place, but for a link or a name that is completed
      if (file !== path.resolve(path.dirname(from), specifier)) {
        statements[`target of "${specifier}"`] = yield* label(file)
      }
      queue.push({ file, names })
    })

    for (let asked = queue.pop(); asked !== undefined; asked = queue.pop()) {
      const { file } = asked
      const name = yield* label(file)
      const { digest, syntax } = yield* syntaxOf(file)
      files.set(file, digest)
      const narrow = syntax.barrel ? asked.names : "all"
      const mark = `${name}\0${narrow === "all" ? "*" : narrow.join(",")}`
      if (done.has(mark)) continue
      done.add(mark)
      const titles = titlesOf(syntax)
      // two stages of one name, in modules that import each other, reach the same
      const statements = modules.get(name) ?? (file === start ? { "the stage": "in this module" } : {})
      modules.set(name, statements)
      for (const [index, declaration] of syntax.declarations.entries()) {
        const { reexport } = declaration
        if (reexport !== undefined && !wants(narrow, reexport.offers)) continue
        statements[titles[index]!] = declaration.digest
        if (syntax.barrel && reexport !== undefined) {
          yield* follow(file, statements, reexport.from, passOn(narrow, reexport))
        }
      }
      Object.assign(statements, orderIn(syntax, statements))
      if (!syntax.barrel) {
        for (const target of syntax.imports) yield* follow(file, statements, target, target.names)
      }
    }
    return { files, modules, collected }
  })

  /** All that is loaded with `files`, as Node loads it: whole modules. */
  const loadedWith = Effect.fnUntraced(function* (files: Iterable<string>) {
    const loaded = new Set(files)
    for (const file of loaded) {
      const { syntax } = yield* syntaxOf(file)
      const reexported = syntax.declarations.flatMap(({ reexport }) => (reexport === undefined ? [] : [reexport.from]))
      for (const { specifier } of [...syntax.imports, ...reexported]) {
        if (!specifier.startsWith(".")) continue
        const target = yield* resolveRelative(specifier, file)
        if (!Framework.isFramework(target)) loaded.add(target)
      }
    }
    return loaded
  })

  const of: CodeIdentity["of"] = Effect.fnUntraced(
    function* (url: string) {
      const start = yield* disk.realPath(fileURLToPath(url))
      const { files, modules, collected } = yield* explore(start, yield* packageRoot(start))
      const sorted = Array.from(modules).sort(([a], [b]) => (a < b ? -1 : 1))
      const linked = Array.from(collected.files.keys()).filter((file) => moduleExtensions.has(path.extname(file)))
      const code: Code = { modules: Object.fromEntries(sorted), packages: Packages.toVersions(collected) }
      const text = yield* Effect.mapError(
        Effect.fromResult(CanonicalJson.encode(code)),
        ({ message }) => new CodeUnknown({ file: start, reason: message })
      )
      return new Identified({
        text,
        files: new Map([...files, ...collected.files]),
        loaded: [...(yield* loadedWith(files.keys())), ...linked]
      })
    },
    (effect, url) =>
      Effect.mapError(effect, (error) =>
        error._tag === "DiskError" ? new CodeUnknown({ file: url, reason: error.message }) : error
      )
  )

  const flush = Effect.suspend(() => {
    if (!dirty) return Effect.void
    dirty = false
    return writeHint(layout, memoPath, JSON.stringify(Object.fromEntries(syntaxes))).pipe(Effect.ignore)
  })
  return { of, flush, sights: watch.sights }
})

const merged = (a: Watch.Sights | undefined, b: Watch.Sights): Watch.Sights =>
  a === undefined
    ? b
    : { paths: [...a.paths, ...b.paths], figures: [...a.figures, ...b.figures], real: { ...a.real, ...b.real } }

/** Identities as things are now: those that are remembered and still hold, and others on demand. */
export const make = Effect.fnUntraced(function* (layout: Layout, memo: StatMemo) {
  const rememberedPath = layout.memo(`code-v${identityVersion}.json`)
  const remembered = yield* recall(rememberedPath)
  const told = new Map<string, Identified>(
    Object.entries(remembered?.identities ?? {}).map(([url, { text, files, loaded }]) => [
      url,
      new Identified({ text, files: new Map(Object.entries(files)), loaded })
    ])
  )
  const teller = yield* Effect.cached(makeTeller(layout, memo))
  let isNew = false
  const identity: CodeIdentity = {
    of: Effect.fnUntraced(function* (url: string) {
      const before = told.get(url)
      if (before !== undefined) return before
      const identified = yield* (yield* teller).of(url)
      told.set(url, identified)
      isNew = true
      return identified
    }),
    flush: Effect.gen(function* () {
      if (!isNew) return
      isNew = false
      const { flush, sights } = yield* teller
      yield* flush
      const seen = yield* sights
      if (seen === undefined) return
      const entries = Array.from(told, ([url, { text, files, loaded }]) => [
        url,
        { text, files: Object.fromEntries(files), loaded }
      ])
      const now: Remembered = { sights: merged(remembered?.sights, seen), identities: Object.fromEntries(entries) }
      yield* Effect.ignore(writeHint(layout, rememberedPath, JSON.stringify(now)))
    })
  }
  return identity
})
