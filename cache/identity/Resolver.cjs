/**
 * Resolver: which file an import means. Bundles and code identities both ask it, so that what is counted is what is run.
 *
 * By a path: the file itself, then TypeScript's way of writing it (`./x.js` of x.ts), then a name without its ending, then a folder's
 * index. By a name: `#name` by the package's own `imports`; else `paths` and `baseUrl` of the nearest tsconfig.json, with all that it
 * extends; else a package.
 *
 * What Node itself loads, in a worker or by createRequire, is looked for as Node does: `native`. Node's choice always comes first, so
 * that two files never answer to one name.
 *
 * It looks at the disk through `look` alone, which notes what it was asked for: an answer holds while all that is unchanged.
 *
 * Plain JavaScript, as FileStat is: a bundle is made before anything strips types.
 */
"use strict"
const { existsSync, readdirSync, readFileSync, statSync } = require("node:fs")
const { isBuiltin } = require("node:module")
const path = require("node:path")

/** The endings that modules have. */
const moduleExtensions = [".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".json"]
/** The sources that a compiled file's name may stand for. */
const sourceEndings = { ".js": [".ts", ".tsx"], ".jsx": [".tsx"], ".mjs": [".mts"], ".cjs": [".cts"] }
const nativeEndings = [".js", ".json", ".node"]

/** Where a module may lie that is asked for as `target`, in this order. */
const candidates = (target, native) => {
  if (native === "import") return [target]
  const index = path.join(target, "index")
  if (native === "require")
    return [target, ...[target, index].flatMap((each) => nativeEndings.map((end) => each + end))]
  const ending = path.extname(target)
  const base = target.slice(0, target.length - ending.length)
  const written = (sourceEndings[ending] ?? []).map((each) => base + each)
  return [target, ...written, ...[target, index].flatMap((each) => moduleExtensions.map((end) => each + end))]
}

/** `folder` and all folders above it. */
const upward = (folder) => {
  const above = path.dirname(folder)
  return above === folder ? [folder] : [folder, ...upward(above)]
}

/** `@scope/name/deep/path` -> `@scope/name`. */
const packageName = (specifier) =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/")

/** JSON with comments and trailing commas, as a tsconfig is; undefined of anything else. */
const parseConfig = (text) => {
  const strings = /"(?:[^"\\]|\\.)*"/u.source
  const plain = text
    .replace(new RegExp(`(${strings})|/\\*[\\s\\S]*?\\*/|//.*`, "gu"), (_, string) => string ?? " ")
    .replace(new RegExp(`(${strings})|,(?=\\s*[\\]}])`, "gu"), (_, string) => string ?? "")
  try {
    return JSON.parse(plain)
  } catch {
    return undefined
  }
}

/** The entry of a table with patterns that `name` matches, the longest first: its value, and what `*` stands for. */
const matching = (table, name) => {
  if (Object.hasOwn(table, name)) return { value: table[name], star: "" }
  const found = Object.keys(table)
    .map((pattern) => ({ pattern, at: pattern.indexOf("*") }))
    .filter(({ pattern, at }) => {
      const [before, after] = [pattern.slice(0, at), pattern.slice(at + 1)]
      return at >= 0 && name.length >= pattern.length - 1 && name.startsWith(before) && name.endsWith(after)
    })
    .sort((a, b) => b.at - a.at || b.pattern.length - a.pattern.length)[0]
  if (found === undefined) return undefined
  const end = name.length - (found.pattern.length - found.at - 1)
  return { value: table[found.pattern], star: name.slice(found.at, end) }
}

/** What a conditional target of `imports` leads to. */
const conditional = (target, conditions) => {
  if (Array.isArray(target))
    return target.map((each) => conditional(each, conditions)).find((each) => each !== undefined)
  if (typeof target !== "object" || target === null) return typeof target === "string" ? target : undefined
  for (const [name, each] of Object.entries(target)) {
    const found = conditions.includes(name) ? conditional(each, conditions) : undefined
    if (found !== undefined) return found
  }
  return undefined
}

/** `compilerOptions` of a tsconfig that lead imports, each with the folder that it starts from. */
const makeConfigs = (look) => {
  const isFile = (file) => look.kind(file) === "file"
  const extended = (name, folder) => {
    const targets =
      name.startsWith(".") || path.isAbsolute(name)
        ? [path.resolve(folder, name)]
        : upward(folder).map((each) => path.join(each, "node_modules", name))
    return targets.flatMap((each) => [each, `${each}.json`, path.join(each, "tsconfig.json")]).find(isFile)
  }
  const read = (file, reading) => {
    const folder = path.dirname(file)
    const { extends: bases = [], compilerOptions = {} } = parseConfig(look.text(file) ?? "") ?? {}
    const inherited = [bases].flat().map((each) => {
      const base = typeof each === "string" ? extended(each, folder) : undefined
      return base === undefined || reading.includes(base) ? {} : read(base, [...reading, base])
    })
    const { baseUrl, paths } = compilerOptions
    return Object.assign(
      {},
      ...inherited,
      typeof baseUrl === "string" ? { base: path.resolve(folder, baseUrl) } : {},
      typeof paths === "object" && paths !== null ? { paths, from: folder } : {}
    )
  }
  const known = new Map()
  return (folder) => {
    // packages are published as they run
    if (folder.split(path.sep).includes("node_modules")) return {}
    if (!known.has(folder)) {
      const file = upward(folder)
        .map((each) => path.join(each, "tsconfig.json"))
        .find(isFile)
      known.set(folder, file === undefined ? {} : { ...read(file, [file]), config: path.dirname(file) })
    }
    return known.get(folder)
  }
}

const asFile = (file, target, isAlias) =>
  file === undefined ? { type: "missing", problem: `there is no file ${target}` } : { type: "file", file, isAlias }

/** Makes the lookup of where the nearest tsconfig leads a name: the file, if there is one, and the place that its `paths` name. */
const makeAliased = (look, fileAt) => {
  const configOf = makeConfigs(look)
  // types alone are no module
  const isModule = (each) => typeof each === "string" && !/\.d\.[cm]?ts$/u.test(each)
  return (specifier, folder) => {
    const { paths = {}, from, base, config } = configOf(folder)
    const found = matching(paths, specifier)
    const targets = [found?.value ?? []].flat().filter(isModule)
    const places = targets
      .map((each) => each.replace("${configDir}", config).replace("*", () => found.star))
      .map((each) => path.resolve(base ?? from, each))
    const all = [...places, ...(base === undefined ? [] : [path.join(base, specifier)])]
    return { file: all.map((each) => fileAt(each)).find((each) => each !== undefined), tried: places[0] }
  }
}

/** Where the nearest package's `imports` lead a `#name`: `target`, to be asked for in `folder`. */
const subpath = (look, { specifier, folder, isRequired }) => {
  const manifest = upward(folder)
    .map((each) => path.join(each, "package.json"))
    .find((each) => look.kind(each) === "file")
  const { imports } = (manifest === undefined ? undefined : parseConfig(look.text(manifest) ?? "")) ?? {}
  const found = typeof imports === "object" && imports !== null ? matching(imports, specifier) : undefined
  const conditions = ["node", isRequired ? "require" : "import", "module-sync", "node-addons", "default"]
  const target = conditional(found?.value, conditions)?.replaceAll("*", () => found.star)
  return target === undefined ? undefined : { target, folder: path.dirname(manifest) }
}

/**
 * The folder of the package that `name` means in `folder`: the nearest that has a manifest, or has anything in it; undefined if there is
 * none.
 */
const packageFolder = (look, name, folder) => {
  const isPackage = (at) =>
    look.kind(at) === "folder" && (look.kind(path.join(at, "package.json")) === "file" || look.names(at).length > 0)
  return upward(folder)
    .filter((each) => path.basename(each) !== "node_modules")
    .map((each) => path.join(each, "node_modules", name))
    .find(isPackage)
}

/** Makes the resolver that sees the disk through `look`. */
const make = (look) => {
  const fileAt = (target, native) => candidates(target, native).find((each) => look.kind(each) === "file")
  const aliased = makeAliased(look, fileAt)

  const byName = (asked) => {
    const { specifier, folder, native } = asked
    if (isBuiltin(specifier)) return { type: "builtin" }
    if (specifier.startsWith("#")) {
      const found = subpath(look, asked)
      if (found === undefined)
        return { type: "missing", problem: "the nearest package.json has no such name in `imports`" }
      if (!found.target.startsWith(".")) return byName({ ...asked, specifier: found.target, folder: found.folder })
      const target = path.join(found.folder, found.target)
      return asFile(fileAt(target, native), target, true)
    }
    const { file, tried } = native === undefined ? aliased(specifier, folder) : {}
    if (file !== undefined) return asFile(file, file, true)
    return { type: "package", name: packageName(specifier), specifier, folder, tried }
  }

  const resolve = (asked) => {
    const { specifier, folder, native } = asked
    if (!/^\.{1,2}(?:\/|$)/u.test(specifier) && !path.isAbsolute(specifier)) return byName(asked)
    const target = path.resolve(folder, specifier)
    return asFile(fileAt(target, native), target, false)
  }
  return { resolve, packageFolder: (name, folder) => packageFolder(look, name, folder) }
}

const ifThere = (ask) => {
  try {
    return ask()
  } catch {
    return undefined
  }
}

const kindOf = (stat) => (stat.isFile() ? "file" : stat.isDirectory() ? "folder" : "other")

/** The disk itself, for `make`; `note` is given each path before it is looked at. */
const lookAtDisk = (note = () => undefined) => {
  const noting = (ask) => (file) => {
    note(file)
    return ifThere(() => ask(file))
  }
  return {
    kind: noting((file) => {
      const stat = statSync(file, { throwIfNoEntry: false })
      return stat && kindOf(stat)
    }),
    text: noting((file) => readFileSync(file, "utf8")),
    names: (folder) => noting(readdirSync)(folder) ?? []
  }
}

/** The line and the column of `offset` in `text`, from 1 on. */
const placeOf = (text, offset) => {
  const before = text.slice(0, offset).split("\n")
  return `${before.length}:${before.at(-1).length + 1}`
}

/** Where the module `file`, of which `text` is the source, imports `specifier`. */
const placeOfImport = (file, text, specifier) => {
  const quoted = ['"', "'", "`"].map((quote) => quote + specifier + quote)
  const offsets = quoted.flatMap((each) =>
    Array.from(text.matchAll(new RegExp(escaped(each), "gu")), ({ index }) => index)
  )
  const isImported = (offset) =>
    /(?:from|import|require|resolve|URL)\s*\(?\s*$/u.test(text.slice(Math.max(0, offset - 80), offset))
  const offset = offsets.find(isImported) ?? offsets[0]
  return offset === undefined ? file : `${file}:${placeOf(text, offset)}`
}
const escaped = (text) => text.replaceAll(/[\\^$.*+?()[\]{}|/]/gu, "\\$&")

/** An import of the module `importer` that leads nowhere, in words, with the place. */
const describeMissing = (importer, specifier, problem) => {
  const place = placeOfImport(importer, ifThere(() => readFileSync(importer, "utf8")) ?? "", specifier)
  return `${place}: expected a module behind the import "${specifier}", but ${problem}`
}

/** Whether Yarn keeps the packages of a folder in archives, where Node finds them by Yarn's own code alone. */
const isPlugAndPlay = (folder) =>
  existsSync(path.join(folder, ".pnp.cjs")) || (folder !== path.dirname(folder) && isPlugAndPlay(path.dirname(folder)))

/** That a package is not installed, in words; `tried` is where an alias leads, if there is one. */
const notInstalled = ({ name, tried, folder }) => {
  if (tried !== undefined)
    return `the paths of tsconfig.json lead to ${tried}, where there is no file. Correct the one or the other`
  return isPlugAndPlay(folder)
    ? `no package ${name} is in a node_modules folder, since Yarn's Plug'n'Play makes none. Put "nodeLinker: node-modules" into .yarnrc.yml, and run yarn install`
    : `no package ${name} is installed. Install it (npm install ${name}), or correct the name`
}

/** An import whose target only shows when it runs, in words. */
const computedImport =
  'a computed import() cannot be followed. Name the module by a string literal; to choose among several, write them out: { a: () => import("./a.ts"), b: () => import("./b.ts") }'

exports.notInstalled = notInstalled
exports.computedImport = computedImport
exports.moduleExtensions = moduleExtensions
exports.packageName = packageName
exports.lookAtDisk = lookAtDisk
exports.make = make
exports.placeOf = placeOf
exports.placeOfImport = placeOfImport
exports.describeMissing = describeMissing
