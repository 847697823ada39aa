/**
 * start: the command line, from a bundle of it and its pipeline; and the bundle of a contents, if there is one that still holds.
 *
 * bundle.mjs makes bundles. A code identity, for cache keys, is made from the sources as ever. When no bundle can be made, the
 * sources are loaded; so they are with `OP_PIPE_BUNDLE=off`, in several times the time.
 *
 * CommonJS and apart from bundle.mjs: every run waits for it.
 */
"use strict"
const { hash } = require("node:crypto")
const { existsSync, lstatSync, mkdirSync, readFileSync, realpathSync, rmSync, statSync } = require("node:fs")
const { homedir, userInfo } = require("node:os")
const path = require("node:path")
const { pathToFileURL } = require("node:url")
const { figureCount, hasFiguresOfNode } = require("../../cache/identity/FileStat.cjs")

/** Raise it when bundles are made otherwise. */
const format = 10

const cacheFolder = () => {
  const { OP_PIPE_CACHE_DIR, XDG_CACHE_HOME = "" } = process.env
  if (OP_PIPE_CACHE_DIR) return path.resolve(OP_PIPE_CACHE_DIR, "start")
  // as cache/store/Layout.ts has it
  const above = path.isAbsolute(XDG_CACHE_HOME) ? XDG_CACHE_HOME : path.join(homedir() || userInfo().homedir, ".cache")
  return path.join(above, "op-pipe", "start")
}

/** As `mkdir -p`. Node's own never ends where a file system says ENOENT to what cannot be made in it, as `/proc` does. */
const makeFolder = (folder) => {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return
  if (folder !== path.dirname(folder)) makeFolder(path.dirname(folder))
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    // another process made it meanwhile
    if (error.code !== "EEXIST") throw error
  }
}

const me = process.getuid?.()
const isMine = ({ uid }) => me === undefined || uid === me
const isMineOrRoots = (stat) => isMine(stat) || stat.uid === 0

/** What is wrong with a folder that code is kept in; undefined if nobody but the user can put anything there. */
const problemOf = (cache, start) => {
  const above = statSync(cache)
  if (!isMineOrRoots(above)) return `${cache} belongs to another user (${above.uid})`
  // of a sticky folder, such as /tmp, others can remove nothing
  if ((above.mode & 0o022) !== 0 && (above.mode & 0o1000) === 0) return `others can write to ${cache}`
  const own = lstatSync(start)
  return own.isDirectory() && isMine(own) ? undefined : `${start} belongs to another user (${own.uid})`
}

let isTold = false

/**
 * Makes the folder of bundles, for the user alone. Whoever can write to it runs code as the user: what others could write
 * to is made anew, and where they still can, nothing is kept. Throws then, as it does where no folder can be made.
 */
const secureCache = () => {
  const start = cacheFolder()
  const cache = path.dirname(start)
  makeFolder(start)
  const problem = me === undefined ? undefined : problemOf(cache, start)
  if (problem !== undefined) {
    const advice = "Give the folder to yourself alone (chmod go-w), or name another by OP_PIPE_CACHE_DIR"
    if (!isTold)
      process.stderr.write(`op-pipe: ${problem}, so no code is kept there, and each start takes longer. ${advice}\n`)
    isTold = true
    throw new Error(problem)
  }
  if (me === undefined || (lstatSync(start).mode & 0o022) === 0) return
  rmSync(start, { recursive: true, force: true })
  mkdirSync(start, { mode: 0o700 })
}

/** Whether a file has the figures from `at` on, of which the first is null if nothing was there. */
const isAsBefore = (file, figures, at) => {
  const stat = lstatSync(file, { throwIfNoEntry: false })
  return stat === undefined ? figures[at] === null : hasFiguresOfNode(figures, at, stat)
}

/** The bundle in `folder`, if all that it was made from is still what it was. */
const current = (folder) => {
  try {
    const { main, files, figures, digests } = JSON.parse(readFileSync(path.join(folder, "bundle.json"), "utf8"))
    for (let at = 0; at < files.length; at++) if (!isAsBefore(files[at], figures, at * figureCount)) return undefined
    return existsSync(main) ? { main, digests } : undefined
  } catch {
    return undefined
  }
}

/**
 * The bundle of the module `contents`, which imports as if it lay in `resolveDir`, made if it is not there: its file, and the
 * SHA-256 of each module of ours in it, by path. With `keepNames` a function tells the name it has in the sources, also where two
 * have the same; it takes a little of every start. Fails as esbuild does.
 */
const bundled = async (contents, resolveDir, { keepNames = false } = {}) => {
  if (process.env.OP_PIPE_BUNDLE === "off") throw new Error("OP_PIPE_BUNDLE is off")
  secureCache()
  const identity = [format, process.version, keepNames, resolveDir, contents].join("\0")
  const folder = path.join(cacheFolder(), hash("sha256", identity, "hex").slice(0, 24))
  return current(folder) ?? (await import("./bundle.mjs")).make(folder, contents, resolveDir, keepNames, current)
}

const pipelineNames = ["pipeline.ts", "pipeline.mjs", "pipeline.js"]
const exists = (file) => lstatSync(file, { throwIfNoEntry: false }) !== undefined

/**
 * The pipeline that a command line is about, if there is one; `cli/Project.ts` has the last word. One above the working
 * directory that is another user's is not loaded: whoever may write to a folder above, such as /tmp, would run code.
 */
const findPipeline = (args) => {
  const at = args.findIndex((each) => each === "--file" || each.startsWith("--file="))
  if (at >= 0) return path.resolve(args[at] === "--file" ? (args[at + 1] ?? "") : args[at].slice("--file=".length))
  for (let folder = process.cwd(); ; folder = path.dirname(folder)) {
    const found = pipelineNames.map((name) => path.join(folder, name)).find(exists)
    if (found !== undefined) return folder === process.cwd() || isMineOrRoots(lstatSync(found)) ? found : undefined
    if (folder === path.dirname(folder)) return undefined
  }
}

/** effect's command line makes a segmenter of graphemes when it is loaded, and uses it for help alone. It takes a tenth of a start, so it is made on first use. */
const withLateSegmenter = async (load) => {
  const { Segmenter } = Intl
  Intl.Segmenter = class {
    constructor(...given) {
      this.given = given
    }
    segment(text) {
      this.made ??= new Segmenter(...this.given)
      return this.made.segment(text)
    }
  }
  try {
    return await load()
  } finally {
    Intl.Segmenter = Segmenter
  }
}

const load = (file) => (file.endsWith(".cjs") ? require(file) : import(pathToFileURL(file).href))

/** The copy of op-pipe that the project of `pipeline` has besides this one, if it is the user's or root's. */
const ownCopy = (pipeline, root) => {
  for (let folder = path.dirname(pipeline); ; folder = path.dirname(folder)) {
    const start = path.join(folder, "node_modules/op-pipe/core/start/start.cjs")
    const stat = statSync(start, { throwIfNoEntry: false })
    if (stat !== undefined) {
      return isMineOrRoots(stat) && path.resolve(realpathSync(start), "../../..") !== realpathSync(root)
        ? start
        : undefined
    }
    if (folder === path.dirname(folder)) return undefined
  }
}

/** The module that runs the command line of `entry`, with the modules of the pipelines `files` in it. */
const programOf = (entry, files) => {
  const loads = files.map((file) => `[${JSON.stringify(file)}]: () => guard(() => import(${JSON.stringify(file)}))`)
  return `import { main } from ${JSON.stringify(entry)}
export const start = (args, places, guard, others) => main(args, { ${[...loads, "...others"].join(", ")} }, places)`
}

const stillLoadingMs = 10_000

/** A module of the user's may wait for what never comes, which would be silent. */
const onWait = () =>
  process.stderr.write(
    `op-pipe: the pipeline is still being loaded after ${stillLoadingMs / 1000} s: one of its modules computes, or awaits what does not come. Ctrl-C ends it\n`
  )

/** Loads a module of the user's; what it throws has its places in the sources. */
const guard = async (load) => {
  const wait = setTimeout(onWait, stillLoadingMs)
  try {
    return await load()
  } catch (error) {
    throw require("./places.cjs").inOwnPlaces(error)
  } finally {
    clearTimeout(wait)
  }
}

/** Of a trace, which few starts have. */
const places = {
  inSources: (trace) => require("./places.cjs").inSources(trace),
  ownTrace: (trace) => require("./places.cjs").ownTrace(trace)
}

const start = async (args) => {
  const root = path.resolve(__dirname, "../..")
  const pipeline = findPipeline(args)
  // a program that is installed for all projects may be of another version than the project's
  const own = pipeline === undefined ? undefined : ownCopy(pipeline, root)
  if (own !== undefined) return require(own).start(args)
  // A checkout has the sources; a package has the built files.
  const isSource = existsSync(path.join(root, "cli/Main.ts"))
  const entry = path.join(root, isSource ? "cli/Main.ts" : "dist/cli/Main.js")
  const files = pipeline !== undefined && exists(pipeline) ? [pipeline] : []
  const open = async (files) => {
    const { main } = await bundled(programOf(entry, files), path.dirname(entry))
    return withLateSegmenter(() => load(main))
  }
  let program
  try {
    program = await open(files)
  } catch (error) {
    if (error.name !== "DeclarationError") return startFromSources(args, entry, files)
    // The user's own modules are at fault: the verb that needs the pipeline says so.
    const fail = () => Promise.reject(error)
    const { start } = await open([]).catch(() => ({ start: undefined }))
    const others = Object.fromEntries(files.map((file) => [file, fail]))
    return start === undefined ? startFromSources(args, entry, []) : start(args, places, guard, others)
  }
  program.start(args, places, guard, {})
}

/** The same without a bundle. */
const startFromSources = async (args, entry, files) => {
  require("./sources.cjs").register()
  const { main } = await import(pathToFileURL(entry).href)
  main(
    args,
    Object.fromEntries(files.map((file) => [file, () => guard(() => import(pathToFileURL(file).href))])),
    places
  )
}

exports.bundled = bundled
exports.start = start
