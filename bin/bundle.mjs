/**
 * bundle: modules of ours made into one file, on the machine, once.
 *
 * Loading hundreds of modules one by one, TypeScript among them, costs several times what all the rest of an up-to-date run
 * does. So the command line with its pipeline, and the process of a step with its stage, start from a bundle in the user's
 * cache: our own modules and the packages that they are written with. It is used only while every file that it was made
 * from has the stat that it had then (size, times, inode; a file as young as the bundle is not trusted), and so has all that
 * was looked at to find them: links, manifests of packages, and places where there was nothing.
 *
 * Modules keep the `import.meta.url` of their sources. Other packages are not bundled; they are imported from where they lie.
 * Plain JavaScript, since reading a bundle must not load what strips types.
 */
import { createHash, hash } from "node:crypto"
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { isBuiltin } from "node:module"
import { homedir } from "node:os"
import path from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"

/** Raise it when bundles are made otherwise. */
const format = 5
/** Times on disk are no finer than this; where they are whole seconds, than the other. */
const tickMs = 50
const coarseTickMs = 2100
const dayMs = 24 * 3_600_000

const root = fileURLToPath(new URL("..", import.meta.url))
const exists = (file) => lstatSync(file, { throwIfNoEntry: false }) !== undefined

/** What tells whether a file is the same; null of what is not there. */
const stampOf = (file) => {
  const stat = lstatSync(file, { throwIfNoEntry: false })
  return stat === undefined ? null : [stat.size, stat.mtimeMs, stat.ctimeMs, stat.ino]
}

const isAsStamped = (file, stamp) => {
  const now = stampOf(file)
  return now === null || stamp === null ? now === stamp : now.every((figure, at) => figure === stamp[at])
}

const isYoung = (file, sinceMs) => {
  const stat = lstatSync(file, { throwIfNoEntry: false })
  if (stat === undefined) return true
  const tick = stat.ctimeMs % 1000 === 0 ? coarseTickMs : tickMs
  return Math.max(stat.mtimeMs, stat.ctimeMs) > sinceMs - tick
}

const cacheFolder = () => {
  const { OP_PIPE_CACHE_DIR, XDG_CACHE_HOME } = process.env
  const cache = OP_PIPE_CACHE_DIR ?? path.join(XDG_CACHE_HOME ?? path.join(homedir(), ".cache"), "op-pipe")
  return path.join(cache, "start")
}

/** The bundle in `folder`, if all that it was made from is still what it was. */
const current = (folder) => {
  try {
    const { main, files, digests } = JSON.parse(readFileSync(path.join(folder, "bundle.json"), "utf8"))
    if (!files.every(([file, stamp]) => isAsStamped(file, stamp))) return undefined
    return existsSync(main) ? { main, digests } : undefined
  } catch {
    return undefined
  }
}

const bundledPackage = /^(effect|@effect\/[^/]+|op-pipe|xxhash-wasm)(\/|$)/
const loaders = { ".ts": "ts", ".mts": "ts", ".cts": "ts", ".js": "js", ".mjs": "js", ".cjs": "js" }

/** `import.meta.resolve` of a module that lies elsewhere. */
const resolverFrom =
  '((url, { createRequire } = process.getBuiltinModule("module"), { pathToFileURL } = process.getBuiltinModule("url")) => (name) => pathToFileURL(createRequire(url).resolve(name)).href)'

/** What `import.meta` gives, by names that each module declares for itself. */
const ownPlace = {
  "import.meta.url": "__op_pipe_url",
  "import.meta.filename": "__op_pipe_filename",
  "import.meta.dirname": "__op_pipe_dirname",
  "import.meta.resolve": "__op_pipe_resolve"
}

const withOwnPlace = (text, file) => {
  if (!text.includes("import.meta")) return text
  const [url, name, folder] = [pathToFileURL(file).href, file, path.dirname(file)].map((each) => JSON.stringify(each))
  const declared = `const __op_pipe_url = ${url}, __op_pipe_filename = ${name}, __op_pipe_dirname = ${folder}, __op_pipe_resolve = ${resolverFrom}(${url});`
  // on the first line, so that traces keep their lines
  return `${declared} ${text.replace(/^#!.*/, "")}`
}

const isOwn = (file) => {
  // op-pipe itself is a package too where it is installed
  const own = file.startsWith(root) ? file.slice(root.length) : file
  return !own.includes(`${path.sep}node_modules${path.sep}`) && !own.startsWith("node_modules")
}

/** What was looked at to find modules, with the stamp that each thing had before it was believed. */
const makeLooked = () => {
  const stamps = new Map()
  const note = (file) => {
    if (!stamps.has(file)) stamps.set(file, stampOf(file))
    const stat = lstatSync(file, { throwIfNoEntry: false })
    // what a link leads to may be a link too
    if (stat?.isSymbolicLink()) note(path.resolve(path.dirname(file), readlinkSync(file)))
  }
  return { stamps, note }
}

/** Where code identities look for what a module of ours imports by a path (see cache/code/CodeIdentity.ts). */
const candidates = (target) => [target, `${target}.ts`, `${target}.js`, path.join(target, "index.ts")]

const resolveOwn = (target, looked) => {
  for (const candidate of candidates(target)) {
    looked.note(candidate)
    if (statSync(candidate, { throwIfNoEntry: false })?.isFile()) return { path: realpathSync.native(candidate) }
  }
  return { errors: [{ text: `there is no module ${target}` }] }
}

const isFolder = (file) => statSync(file, { throwIfNoEntry: false })?.isDirectory() === true

/**
 * Notes every place where Node would look for a package, as far as the one that surely has it; false if none has. Whether a
 * folder without a manifest is one, hangs on what is in it.
 */
const notePackage = (specifier, from, looked) => {
  const name = specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/")
  let isThere = false
  for (let folder = from; ; folder = path.dirname(folder)) {
    if (path.basename(folder) !== "node_modules") {
      const at = path.join(folder, "node_modules", name)
      const manifest = path.join(at, "package.json")
      looked.note(at)
      looked.note(manifest)
      if (exists(manifest)) return true
      isThere ||= isFolder(at) && readdirSync(at).length > 0
    }
    if (folder === path.dirname(folder)) return isThere
  }
}

/** Notes in `digests` what each module of ours was when it was read, and in `looked` what it was found by. */
const plugin = (digests, looked) => ({
  name: "op-pipe",
  setup: (build) => {
    build.onResolve({ filter: /.*/ }, async ({ path: specifier, kind, importer, resolveDir, pluginData }) => {
      if (pluginData === "resolving" || kind === "entry-point" || isBuiltin(specifier)) return undefined
      if (specifier.startsWith(".") || path.isAbsolute(specifier)) {
        // within a package, files are what they were: a package counts by its version
        return isOwn(importer) ? resolveOwn(path.resolve(resolveDir, specifier), looked) : undefined
      }
      // Node itself says what is missing, in its own words, if it is ever asked for.
      if (!notePackage(specifier, resolveDir, looked)) return { path: specifier, external: true }
      if (bundledPackage.test(specifier)) return undefined
      const found = await build.resolve(specifier, { kind, resolveDir, pluginData: "resolving" })
      if (found.errors.length > 0 || !path.isAbsolute(found.path)) return { path: specifier, external: true }
      return { path: pathToFileURL(found.path).href, external: true }
    })
    build.onLoad({ filter: /\.[mc]?[tj]s$/ }, ({ path: file }) => {
      if (!isOwn(file)) return undefined
      const bytes = readFileSync(file)
      digests[file] = hash("sha256", bytes, "hex")
      return {
        contents: withOwnPlace(bytes.toString("utf8"), file),
        loader: loaders[path.extname(file)],
        resolveDir: path.dirname(file)
      }
    })
  }
})

/** The parts of a bundle that are loaded with `start`, by their names. */
const loadedWith = (outputs, start) => {
  const parts = new Set([start])
  for (const part of parts)
    for (const { path: name, kind, external } of outputs[part].imports)
      if (kind === "import-statement" && external !== true) parts.add(name)
  return parts
}

/** The modules that `contents` imports by `import("PATH")`, without links. */
const importedLater = (contents) =>
  Array.from(contents.matchAll(/\bimport\(("(?:[^"\\]|\\.)*")\)/gu), ([, told]) =>
    realpathSync.native(JSON.parse(told))
  )

/** Whether it waits for something while it is evaluated; esbuild says so by refusing to make a script of it. */
const isWaiting = (esbuild, file) =>
  esbuild.transform(readFileSync(file, "utf8"), { format: "iife", logLevel: "silent" }).then(
    () => false,
    () => true
  )

/** The parts that are loaded with `start`, and with no earlier start, as one, written in its place; those that went into it are told by it. */
const joinPart = async (esbuild, made, outputs, start, joined) => {
  const parts = Array.from(loadedWith(outputs, start)).filter((part) => part !== start && !joined.has(part))
  // What it waits for may need one of the parts, and would wait for all of them.
  for (const part of [start, ...parts]) if (await isWaiting(esbuild, path.join(made, part))) return []
  const offers = (part, from, pair) => {
    const at = parts.indexOf(part)
    return `export { ${outputs[part].exports.map((name) => pair(name, `part${at}_${name}`)).join(", ")} } from "./${from}"\n`
  }
  const offered = parts.map((part) => offers(part, part, (name, alias) => `${name} as ${alias}`))
  const { outputFiles } = await esbuild.build({
    stdin: {
      contents: `export { ${outputs[start].exports.join(", ")} } from "./${start}"\n${offered.join("")}`,
      resolveDir: made,
      sourcefile: "joined.mjs"
    },
    bundle: true,
    write: false,
    format: "esm",
    platform: "node",
    target: "node22",
    outfile: path.join(made, start),
    sourcemap: "external",
    sourcesContent: false,
    absWorkingDir: made,
    logLevel: "silent",
    plugins: [
      {
        name: "parts",
        setup: (build) =>
          build.onResolve({ filter: /.*/ }, ({ path: name, kind }) => {
            const part = name.replace(/^\.\//u, "")
            const isWithin = kind === "import-statement" && (part === start || parts.includes(part) || joined.has(part))
            return isWithin ? undefined : { path: name, external: true }
          })
      }
    ]
  })
  for (const { path: file, contents } of outputFiles) writeFileSync(file, contents)
  for (const part of parts)
    writeFileSync(
      path.join(made, part),
      offers(part, start, (name, alias) => `${alias} as ${name}`)
    )
  return parts
}

/**
 * Joins the parts of a bundle that are loaded together: that of `contents` with all it needs, and each module that `contents` imports
 * later with what that needs besides. esbuild makes a part of whatever two imports share, thirty for the command line, and to load
 * one takes half a millisecond, however small it is.
 */
const joinParts = async (esbuild, made, outputs, contents) => {
  const later = new Set(importedLater(contents))
  const isLater = ({ entryPoint }) => entryPoint !== undefined && later.has(path.resolve(made, entryPoint))
  const joined = new Set()
  for (const start of ["main.mjs", ...Object.keys(outputs).filter((part) => isLater(outputs[part]))])
    for (const part of await joinPart(esbuild, made, outputs, start, joined)) joined.add(part)
}

/** Bundles the module `contents`, which imports as if it lay in `resolveDir`. */
const make = async (folder, contents, resolveDir, keepNames) => {
  const esbuild = await import("esbuild")
  const startedMs = Date.now()
  mkdirSync(folder, { recursive: true })
  const made = mkdtempSync(path.join(folder, "made-"))
  const digests = {}
  const looked = makeLooked()
  const { metafile } = await esbuild.build({
    stdin: { contents, resolveDir, sourcefile: "start.mjs" },
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node22",
    conditions: ["node", "import"],
    outdir: made,
    entryNames: "main",
    outExtension: { ".js": ".mjs" },
    sourcemap: true,
    sourcesContent: false,
    absWorkingDir: made,
    metafile: true,
    logLevel: "silent",
    // As Node takes the sources: no tsconfig counts, and no import is left out.
    tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
    keepNames,
    define: ownPlace,
    plugins: [plugin(digests, looked)]
  })
  const inputs = [fileURLToPath(import.meta.url), ...Object.keys(metafile.inputs)]
    .map((file) => path.resolve(made, file))
    .filter(exists)
  await joinParts(esbuild, made, metafile.outputs, contents)
  const main = path.join(made, "main.mjs")
  // for the code that V8 compiles of it
  mkdirSync(path.join(made, "compiled"))
  const stamps = new Map([...inputs.map((file) => [file, stampOf(file)]), ...looked.stamps])
  if (![...stamps.keys()].some((file) => exists(file) && isYoung(file, startedMs))) {
    const manifest = path.join(made, "bundle.json")
    writeFileSync(manifest, JSON.stringify({ main, digests, files: [...stamps] }))
    renameSync(manifest, path.join(folder, "bundle.json"))
  }
  sweep(folder, made)
  return { main, digests }
}

/**
 * Removes earlier bundles of this name, but for those so young that a process may still load a part of one (a training takes days), and
 * those of any name that are old: they are made again if need be.
 */
const sweep = (folder, kept) => {
  const isOlder = (file, ageMs) => {
    const stat = lstatSync(file, { throwIfNoEntry: false })
    return stat !== undefined && Date.now() - stat.mtimeMs > ageMs
  }
  const remove = (file) => rmSync(file, { recursive: true, force: true })
  for (const name of readdirSync(folder)) {
    const made = path.join(folder, name)
    if (name.startsWith("made-") && made !== kept && isOlder(made, 7 * dayMs)) remove(made)
  }
  for (const name of readdirSync(path.dirname(folder))) {
    const other = path.join(path.dirname(folder), name)
    if (other !== folder && isOlder(other, 60 * dayMs)) remove(other)
  }
}

/**
 * The bundle of the module `contents`, made if it is not there: its file, and the SHA-256 of each module of ours in it, by
 * path. With `keepNames` a function tells the name it has in the sources, also where two have the same; it takes a little of
 * every start. Fails as esbuild does.
 */
export const bundled = async (contents, resolveDir, { keepNames = false } = {}) => {
  const told = [format, process.version, keepNames, resolveDir, contents].join("\0")
  const name = createHash("sha256").update(told).digest("hex")
  const folder = path.join(cacheFolder(), name.slice(0, 24))
  return current(folder) ?? (await make(folder, contents, resolveDir, keepNames))
}

/** A stack trace with places in bundles told as places in the sources. */
export const inSources = (trace) => {
  const maps = new Map()
  const mapOf = (file) => {
    if (!maps.has(file)) {
      const { SourceMap } = process.getBuiltinModule("module")
      maps.set(file, existsSync(`${file}.map`) ? new SourceMap(JSON.parse(readFileSync(`${file}.map`, "utf8"))) : null)
    }
    return maps.get(file)
  }
  return trace.replaceAll(
    /(?:file:\/\/)?(\/[^\s():]*\/made-[^\s():]+\.mjs):(\d+):(\d+)/gu,
    (whole, file, line, column) => {
      const found = mapOf(file)?.findEntry(Number(line) - 1, Number(column) - 1)
      if (found?.originalSource === undefined) return whole
      const source = path.resolve(path.dirname(file), found.originalSource)
      return `${pathToFileURL(source).href}:${found.originalLine + 1}:${found.originalColumn + 1}`
    }
  )
}
