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
 *
 * A bundle is a script, since Node keeps of a script's compiled code what was compiled while it ran (see program.cjs), and of a module's
 * only what is compiled at once. What a script cannot do, wait while it is evaluated, is left to modules: then a bundle is made of those.
 * Plain JavaScript, since reading a bundle must not load what strips types.
 */
import {
  copyFileSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { isBuiltin } from "node:module"
import path from "node:path"
import { fileURLToPath } from "node:url"
import FileStat from "../../cache/identity/FileStat.cjs"
import Resolver from "../../cache/identity/Resolver.cjs"
import { withEsbuild } from "./esbuild.mjs"
import {
  asWritten,
  exists,
  fileOf,
  isOwn,
  makeLooked,
  ownPlace,
  plugin,
  refusal,
  root,
  stampOf,
  statOf
} from "./modules.mjs"
import { turn } from "./turn.mjs"

const hourMs = 3_600_000
const dayMs = 24 * hourMs

const isYoung = (file, sinceMs) => {
  const stat = statOf(file)
  return stat === undefined || FileStat.isRacy(stat, sinceMs)
}

/** The packages outside of the bundle that are imported with `start`, a module in it, as they are to be asked for. */
const importedWith = (inputs, start) => {
  const modules = new Set([start])
  const outside = new Set()
  for (const module of modules)
    for (const { path: name, kind, external } of inputs[module]?.imports ?? []) {
      if (kind !== "import-statement") continue
      if (external !== true) modules.add(name)
      // esbuild counts its own helpers among what is imported
      else if (!isBuiltin(name) && name !== "<runtime>") outside.add(name)
    }
  return Array.from(outside)
}

/** What packages import later of their own modules. */
const laterInPackages = (inputs) =>
  Object.keys(inputs)
    .filter((name) => !/^(?:later|own):/u.test(name))
    .flatMap((name) => inputs[name].imports)
    .filter(({ path: name, kind, external }) => kind === "dynamic-import" && external !== true && name in inputs)
    .map(({ path: name }) => name)
    .filter((name) => !name.startsWith("later:"))

/** For each module that is imported later: the packages outside that are imported with it. */
const importedLater = (inputs, made) =>
  Object.fromEntries(
    Object.keys(inputs)
      .filter((name) => name.startsWith("later:"))
      .map((name) => inputs[name].imports.find(({ kind }) => kind === "dynamic-import").path)
      .map((name) => [fileOf(name, made), importedWith(inputs, name)])
      .filter(([, outside]) => outside.length > 0)
  )

/**
 * With `asImported` of program.cjs asked first, where esbuild makes of what `require` gives what `import` does. Fails if esbuild
 * writes that otherwise.
 */
const withImported = (text) => {
  // its parameters have other names where a module has theirs
  const helper = /\bvar (__toESM\d*)=\((\w+),(\w+),(\w+)\)=>\(/gu
  const led = text.replaceAll(
    helper,
    "var $1 = ($2, $3) => __op_pipe_imported($2, $3, $1_anew), $1_anew = ($2, $3, $4) => ("
  )
  if (led === text && text.includes("__toESM")) throw new Error("esbuild has another helper for what is imported")
  return led
}

const frameworkFolders = ["bin", "cache", "cli", "core", "dist"].map((name) => path.join(root, name) + path.sep)
/** Whether a module is the user's to mend. */
const isTheirs = (file) =>
  isOwn(file) && path.isAbsolute(file) && !frameworkFolders.some((folder) => file.startsWith(folder))

/** Refuses the first import of a module of the project's that only shows when it runs: no bundle could hold what it means. */
const refuseComputed = ({ inputs }, warnings, made) => {
  // esbuild takes the modules that such a template matches today
  const isTemplate = ({ path: name, external }) => external === true && name.includes("**/*")
  const importers = [
    ...warnings
      .filter(({ id }) => id === computedImport || id === computedRequire)
      .map(({ location }) => location.file),
    ...Object.keys(inputs).filter((name) => inputs[name].imports.some(isTemplate))
  ]
  const file = importers.map((name) => fileOf(name, made)).find(isTheirs)
  if (file === undefined) return
  const text = readFileSync(file, "utf8")
  const computed = /\b(?:import|require)\s*\(\s*(?!(["'])(?:(?!\1).)*\1\s*[,)])/u.exec(text)
  throw refusal(`${file}:${Resolver.placeOf(text, computed?.index ?? 0)}: ${Resolver.computedImport}`)
}
const [computedImport, computedRequire] = ["unsupported-dynamic-import", "unsupported-require-call"]

/** A module as its importer knows it: by its package, or by its file. */
const nameOf = (file) => {
  const within = file.split(/[\\/]node_modules[\\/]/u)
  return within.length === 1 ? file : Resolver.packageName(within.at(-1))
}

/** Where esbuild stumbles over a module of the project's, in one sentence. */
const inWords = (error, made) => {
  for (const { text, location } of error.errors ?? []) {
    const file = fileOf(location?.file ?? "", made)
    if (location?.file !== undefined && isTheirs(file)) {
      const [, from, name] = /^No matching export in "(.+)" for import "(.+)"$/u.exec(text) ?? []
      const problem =
        name === undefined
          ? `expected a module that can be read, but: ${text}`
          : `expected ${nameOf(fileOf(from, made))} to export ${name}, but it does not. Correct the name; a type is imported by \`import type\``
      return refusal(`${file}:${location.line}:${location.column + 1}: ${problem}`)
    }
  }
  return error
}

const build = async (esbuild, options, made) => {
  const logOverride = { [computedImport]: "warning", [computedRequire]: "warning" }
  const built = await esbuild.build({ ...options, logOverride }).catch((error) => Promise.reject(inWords(error, made)))
  refuseComputed(built.metafile, built.warnings, made)
  return built
}

/** Writes the bundle as a script; undefined if it cannot be one. */
const writeScript = async (esbuild, options, made) => {
  const script = {
    ...options,
    format: "cjs",
    // Of a script, Node says that it may import only by what is experimental: so the imports are led through program.cjs.
    supported: { "dynamic-import": false },
    outfile: path.join(made, "program.js"),
    write: false,
    banner: { js: '(function (exports, require, module, __op_pipe_outside, __op_pipe_imported) { "use strict";' },
    footer: { js: "})" }
  }
  const { metafile, warnings, outputFiles } = await build(esbuild, script, made)
  const { inputs } = metafile
  const { resolveDir, sourcefile } = options.stdin
  const entry = Object.keys(inputs).find((name) => fileOf(name, made) === path.join(resolveDir, sourcefile))
  // a module's `import.meta` itself, or a package that is wanted at once, or where a package imports a part of its own later
  const starts = [entry, ...laterInPackages(inputs)]
  if (warnings.some(({ id }) => id === "empty-import-meta")) return undefined
  if (starts.some((start) => importedWith(inputs, start).length > 0)) return undefined
  for (const { path: file, text } of outputFiles) writeFileSync(file, file.endsWith(".js") ? withImported(text) : text)
  writeFileSync(path.join(made, "outside.json"), JSON.stringify(importedLater(inputs, made)))
  const main = path.join(made, "main.cjs")
  copyFileSync(program, main)
  return { main, inputs }
}
const program = fileURLToPath(new URL("program.cjs", import.meta.url))

/** Writes the bundle as modules, a part for whatever two imports share. */
const writeModules = async (esbuild, options, made) => {
  const modules = { ...options, splitting: true, format: "esm", outdir: made, entryNames: "main" }
  const { metafile } = await build(esbuild, { ...modules, outExtension: { ".js": ".mjs" } }, made)
  return { main: path.join(made, "main.mjs"), inputs: metafile.inputs }
}

/**
 * Bundles the module `contents`, which imports as if it lay in `resolveDir`, in `folder`, unless another process does so at the moment:
 * then `current` finds that bundle. See `bundled` in start.cjs.
 */
export const make = async (folder, contents, resolveDir, keepNames, current) => {
  const end = await turn(folder)
  try {
    return (
      current(folder) ?? (await withEsbuild((esbuild) => makeAnew(esbuild, folder, contents, resolveDir, keepNames)))
    )
  } finally {
    end()
  }
}

const makeAnew = async (esbuild, folder, contents, resolveDir, keepNames) => {
  const startedMs = Date.now()
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const made = mkdtempSync(path.join(folder, "made-"))
  // for the code that V8 compiles of it
  mkdirSync(path.join(made, "compiled"))
  const attempt = async (isScript, write) => {
    const [digests, looked] = [{}, makeLooked()]
    const options = {
      stdin: { contents, resolveDir, sourcefile: "start.mjs" },
      bundle: true,
      platform: "node",
      target: "node22",
      conditions: ["node", "import"],
      sourcemap: true,
      sourcesContent: false,
      minifyWhitespace: true,
      absWorkingDir: made,
      metafile: true,
      logLevel: "silent",
      ...asWritten,
      keepNames,
      jsxSideEffects: true,
      define: ownPlace,
      plugins: [plugin({ isScript, digests, looked })]
    }
    const written = await write(esbuild, options, made)
    return written === undefined ? undefined : { ...written, digests, looked }
  }
  const asScript = await attempt(true, writeScript).catch(() => undefined)
  const { main, inputs, digests, looked } = asScript ?? (await attempt(false, writeModules))
  const ownNames = [
    "core/start/bundle.mjs",
    "core/start/esbuild.mjs",
    "core/start/modules.mjs",
    "core/start/start.cjs",
    "core/start/turn.mjs",
    "core/start/program.cjs",
    "cache/identity/FileStat.cjs",
    "cache/identity/Resolver.cjs"
  ]
  const ours = ownNames.map((name) => path.join(root, name))
  const files = [...ours, ...Object.keys(inputs).map((name) => fileOf(name, made))].filter(exists)
  const stamps = new Map([...files.map((file) => [file, stampOf(file)]), ...looked.stamps])
  if (![...stamps.keys()].some((file) => exists(file) && isYoung(file, startedMs))) {
    const manifest = path.join(made, "bundle.json")
    // flat: each start reads it, and each small array of it is allocated there
    const figures = [...stamps.values()].flatMap((each) => each ?? nothing)
    writeFileSync(manifest, JSON.stringify({ main, digests, files: [...stamps.keys()], figures }))
    renameSync(manifest, path.join(folder, "bundle.json"))
  }
  sweep(folder, made)
  return { main, digests }
}

/** The figures of what is not there. */
const nothing = new Array(FileStat.figureCount).fill(null)

const ageOf = (file) => Date.now() - (lstatSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now())

/** The entries of a folder, the youngest first, with their ages in milliseconds. */
const byAge = (folder) =>
  readdirSync(folder)
    .map((name) => ({ file: path.join(folder, name), ageMs: ageOf(path.join(folder, name)) }))
    .sort((a, b) => a.ageMs - b.ageMs)

/** Whether all that is in the folder of bundles was looked through within the hour: of thousands that takes longer than to make one. */
const isSwept = (marker) => {
  if (exists(marker) && ageOf(marker) < hourMs) return true
  writeFileSync(marker, "")
  return false
}

/**
 * Removes earlier bundles of this name, and once an hour those of other names: all that are old, and the older ones of many; they are made
 * again if need be. Each has 4 MB, and each edit of a pipeline makes one. A process may still load a part of one that was made lately.
 */
const sweep = (folder, kept) => {
  const marker = path.join(path.dirname(folder), ".swept")
  const others = byAge(folder).filter(({ file }) => /^made-/u.test(path.basename(file)))
  const names = isSwept(marker) ? [] : byAge(path.dirname(folder)).filter(({ file }) => file !== marker)
  const isGone =
    (mostMs, most) =>
    ({ ageMs }, at) =>
      ageMs > mostMs || (at >= most && ageMs > dayMs)
  const gone = [...others.filter(isGone(7 * dayMs, 5)), ...names.filter(isGone(60 * dayMs, 100))]
  for (const { file } of gone) {
    if (file !== kept && file !== folder) rmSync(file, { recursive: true, force: true })
  }
}
