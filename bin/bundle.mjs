/**
 * bundle: modules of ours made into one file, on the machine, once.
 *
 * Loading hundreds of modules one by one, TypeScript among them, costs several times what all the rest of an up-to-date run
 * does. So the command line with its pipeline, and the process of a step with its stage, start from a bundle in the user's
 * cache: our own modules and the packages that they are written with. It is used only while every file that it was made
 * from has the stat that it had then (size, times, inode; a file as young as the bundle is not trusted).
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
  renameSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { homedir } from "node:os"
import path from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"

/** Raise it when bundles are made otherwise. */
const format = 2
/** Times on disk are no finer than this; where they are whole seconds, than the other. */
const tickMs = 50
const coarseTickMs = 2100
const dayMs = 24 * 3_600_000

const root = fileURLToPath(new URL("..", import.meta.url))
const exists = (file) => lstatSync(file, { throwIfNoEntry: false }) !== undefined

const stampOf = (file) => {
  const stat = lstatSync(file, { throwIfNoEntry: false })
  return stat === undefined ? "absent" : `${stat.size} ${stat.mtimeMs} ${stat.ctimeMs} ${stat.ino}`
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
    for (const [file, stamp] of files) if (stampOf(file) !== stamp) return undefined
    return existsSync(main) ? { main, digests } : undefined
  } catch {
    return undefined
  }
}

const bundledPackage = /^(effect|@effect\/[^/]+|op-pipe|xxhash-wasm)(\/|$)/
const loaders = { ".ts": "ts", ".mts": "ts", ".js": "js", ".mjs": "js" }

/** `import.meta.resolve` of a module that lies elsewhere. */
const resolverFrom =
  '((url, { createRequire } = process.getBuiltinModule("module"), { pathToFileURL } = process.getBuiltinModule("url")) => (name) => pathToFileURL(createRequire(url).resolve(name)).href)'

const withOwnPlace = (text, file) => {
  if (!text.includes("import.meta")) return text
  const [url, name, folder] = [pathToFileURL(file).href, file, path.dirname(file)].map((each) => JSON.stringify(each))
  return text
    .replaceAll(/\bimport\.meta\.url\b/g, url)
    .replaceAll(/\bimport\.meta\.filename\b/g, name)
    .replaceAll(/\bimport\.meta\.dirname\b/g, folder)
    .replaceAll(/\bimport\.meta\.resolve\b/g, `${resolverFrom}(${url})`)
}

/** Notes in `digests` what each module of ours was when it was read. */
const plugin = (digests) => ({
  name: "op-pipe",
  setup: (build) => {
    build.onResolve({ filter: /^[^./]/ }, async ({ path: specifier, kind, resolveDir, pluginData }) => {
      if (pluginData === "resolving" || kind === "entry-point") return undefined
      if (specifier.startsWith("node:") || bundledPackage.test(specifier)) return undefined
      const found = await build.resolve(specifier, { kind, resolveDir, pluginData: "resolving" })
      // Node itself says what is missing, in its own words, if it is ever asked for.
      if (found.errors.length > 0 || !path.isAbsolute(found.path)) return { path: specifier, external: true }
      return { path: pathToFileURL(found.path).href, external: true }
    })
    build.onLoad({ filter: /\.m?[tj]s$/ }, ({ path: file }) => {
      // op-pipe itself is a package too where it is installed.
      const own = file.startsWith(root) ? file.slice(root.length) : file
      if (own.includes(`${path.sep}node_modules${path.sep}`) || own.startsWith("node_modules")) return undefined
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

/** Bundles the module `contents`, which imports as if it lay in `resolveDir`. */
const make = async (folder, contents, resolveDir) => {
  const esbuild = await import("esbuild")
  const startedMs = Date.now()
  mkdirSync(folder, { recursive: true })
  const made = mkdtempSync(path.join(folder, "made-"))
  const digests = {}
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
    sourcemap: "external",
    sourcesContent: false,
    absWorkingDir: made,
    metafile: true,
    logLevel: "silent",
    plugins: [plugin(digests)]
  })
  const inputs = [fileURLToPath(import.meta.url), ...Object.keys(metafile.inputs)]
    .map((file) => path.resolve(made, file))
    .filter(exists)
  const main = path.join(made, "main.mjs")
  // for the code that V8 compiles of it
  mkdirSync(path.join(made, "compiled"))
  if (!inputs.some((file) => isYoung(file, startedMs))) {
    const manifest = path.join(made, "bundle.json")
    writeFileSync(manifest, JSON.stringify({ main, digests, files: inputs.map((file) => [file, stampOf(file)]) }))
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
 * path. Fails as esbuild does.
 */
export const bundled = async (contents, resolveDir) => {
  const name = createHash("sha256").update([format, process.version, resolveDir, contents].join("\0")).digest("hex")
  const folder = path.join(cacheFolder(), name.slice(0, 24))
  return current(folder) ?? (await make(folder, contents, resolveDir))
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
