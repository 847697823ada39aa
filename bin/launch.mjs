/**
 * launch: starts the command line from one bundled file, made on the machine and made again whenever anything in it changed.
 *
 * Loading hundreds of modules one by one costs several times what all the rest of an up-to-date run does. So the command
 * line, the pipeline and the packages that both are written with are bundled once into the user's cache. A bundle is used
 * only while every file that it was made from has the stat that it had then (size, times, inode; a file as young as the
 * bundle is not trusted); what the pipeline's code *is*, for the cache keys, is told from the sources as ever.
 *
 * Modules keep the `import.meta.url` of their sources, so stages are executed from these and not from the bundle. Other
 * packages are not bundled; they are imported from where they lie. When no bundle can be made, the sources are loaded.
 */
import { createHash } from "node:crypto"
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
const format = 1
const pipelineNames = ["pipeline.ts", "pipeline.mjs", "pipeline.js"]
/** Times on disk are no finer than this. */
const tickMs = 50
const keptMs = 24 * 3_600_000

const root = fileURLToPath(new URL("..", import.meta.url))
const exists = (file) => lstatSync(file, { throwIfNoEntry: false }) !== undefined

/** The pipeline that a command line is about; `cli/Project.ts` has the last word. */
const findPipeline = (args, builtIn) => {
  const at = args.findIndex((each) => each === "--file" || each.startsWith("--file="))
  if (at >= 0) return path.resolve(args[at] === "--file" ? (args[at + 1] ?? "") : args[at].slice("--file=".length))
  for (let folder = process.cwd(); ; folder = path.dirname(folder)) {
    const found = pipelineNames.map((name) => path.join(folder, name)).find(exists)
    if (found !== undefined) return found
    if (folder === path.dirname(folder)) return builtIn
  }
}

const stampOf = (file) => {
  const stat = lstatSync(file, { throwIfNoEntry: false })
  return stat === undefined ? "absent" : `${stat.size} ${stat.mtimeMs} ${stat.ctimeMs} ${stat.ino}`
}

const isYoung = (file, sinceMs) => {
  const stat = lstatSync(file, { throwIfNoEntry: false })
  return stat === undefined || Math.max(stat.mtimeMs, stat.ctimeMs) > sinceMs - tickMs
}

/** The bundle in `folder`, if all that it was made from is still what it was. */
const current = (folder) => {
  try {
    const { main, files } = JSON.parse(readFileSync(path.join(folder, "bundle.json"), "utf8"))
    for (const [file, stamp] of files) if (stampOf(file) !== stamp) return undefined
    return existsSync(main) ? main : undefined
  } catch {
    return undefined
  }
}

const bundledPackage = /^(effect|@effect\/[^/]+|op-pipe|xxhash-wasm)(\/|$)/
const loaders = { ".ts": "ts", ".mts": "ts", ".js": "js", ".mjs": "js" }

/** `import.meta.resolve` of a module that lies elsewhere. */
const resolverFrom =
  '((url, { createRequire } = process.getBuiltinModule("module"), { pathToFileURL } = process.getBuiltinModule("url")) => (name) => pathToFileURL(createRequire(url).resolve(name)).href)'

const plugin = {
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
      const text = readFileSync(file, "utf8")
      if (!text.includes("import.meta")) return undefined
      const [url, name, folder] = [pathToFileURL(file).href, file, path.dirname(file)].map((each) =>
        JSON.stringify(each)
      )
      return {
        contents: text
          .replaceAll(/\bimport\.meta\.url\b/g, url)
          .replaceAll(/\bimport\.meta\.filename\b/g, name)
          .replaceAll(/\bimport\.meta\.dirname\b/g, folder)
          .replaceAll(/\bimport\.meta\.resolve\b/g, `${resolverFrom}(${url})`),
        loader: loaders[path.extname(file)],
        resolveDir: path.dirname(file)
      }
    })
  }
}

/** Bundles; returns the file to import. */
const bundle = async (folder, entry, pipeline) => {
  const esbuild = await import("esbuild")
  const startedMs = Date.now()
  mkdirSync(folder, { recursive: true })
  const made = mkdtempSync(path.join(folder, "made-"))
  const loads = exists(pipeline) ? `[${JSON.stringify(pipeline)}]: () => import(${JSON.stringify(pipeline)})` : ""
  const { metafile } = await esbuild.build({
    stdin: {
      contents: `import { main } from ${JSON.stringify(entry)}\nexport const start = (args) => main(args, { ${loads} })`,
      resolveDir: path.dirname(entry),
      sourcefile: "start.mjs"
    },
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node22",
    conditions: ["node", "import"],
    outdir: made,
    entryNames: "main",
    outExtension: { ".js": ".mjs" },
    metafile: true,
    logLevel: "silent",
    plugins: [plugin]
  })
  const inputs = [fileURLToPath(import.meta.url), ...Object.keys(metafile.inputs)]
    .map((file) => path.resolve(file))
    .filter(exists)
  const main = path.join(made, "main.mjs")
  if (!inputs.some((file) => isYoung(file, startedMs))) {
    const manifest = path.join(made, "bundle.json")
    writeFileSync(manifest, JSON.stringify({ main, files: inputs.map((file) => [file, stampOf(file)]) }))
    renameSync(manifest, path.join(folder, "bundle.json"))
  }
  sweep(folder, made)
  return main
}

/** Removes what no process can still be using. */
const sweep = (folder, kept) => {
  for (const name of readdirSync(folder)) {
    const made = path.join(folder, name)
    if (!name.startsWith("made-") || made === kept) continue
    const stat = lstatSync(made, { throwIfNoEntry: false })
    if (stat !== undefined && Date.now() - stat.mtimeMs > keptMs) rmSync(made, { recursive: true, force: true })
  }
}

export const launch = async (entry, builtIn, args) => {
  const pipeline = findPipeline(args, builtIn)
  const name = createHash("sha256").update([format, process.version, entry, pipeline].join("\0")).digest("hex")
  const { OP_PIPE_CACHE_DIR, XDG_CACHE_HOME } = process.env
  const cache = OP_PIPE_CACHE_DIR ?? path.join(XDG_CACHE_HOME ?? path.join(homedir(), ".cache"), "op-pipe")
  const folder = path.join(cache, "start", name.slice(0, 24))
  try {
    const { start } = await import(pathToFileURL(current(folder) ?? (await bundle(folder, entry, pipeline))).href)
    return () => start(args)
  } catch {
    // The sources give the better error, if there is one.
    const { main } = await import(pathToFileURL(entry).href)
    return () => main(args)
  }
}
