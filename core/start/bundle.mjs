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
import { hash } from "node:crypto"
import {
  copyFileSync,
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
import path from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import FileStat from "../../cache/identity/FileStat.cjs"

const dayMs = 24 * 3_600_000

const root = fileURLToPath(new URL("../..", import.meta.url))
const exists = (file) => lstatSync(file, { throwIfNoEntry: false }) !== undefined

const statOf = (file) => {
  const stat = lstatSync(file, { throwIfNoEntry: false })
  return stat === undefined ? undefined : FileStat.ofNode(stat)
}
/** What tells whether a file is the same; null of what is not there. */
const stampOf = (file) => FileStat.figuresOf(statOf(file))

const isYoung = (file, sinceMs) => {
  const stat = statOf(file)
  return stat === undefined || FileStat.isRacy(stat, sinceMs)
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

/** The folder of the package that `file` lies in, below the last `node_modules`; undefined of a file that lies in none. */
const packageFolder = (file) => /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+(?=[\\/]|$)/u.exec(file)?.[0]

const stagePackages = new Map()
/** A package that is written with op-pipe has stages: it is bundled as the project's own modules are, with one copy of op-pipe. */
const isStagePackage = (folder) => {
  if (!stagePackages.has(folder)) {
    const manifest = path.join(folder, "package.json")
    const { dependencies, peerDependencies } = exists(manifest) ? JSON.parse(readFileSync(manifest, "utf8")) : {}
    stagePackages.set(folder, "op-pipe" in { ...dependencies, ...peerDependencies })
  }
  return stagePackages.get(folder)
}

/** op-pipe itself is a package too where it is installed. */
const isOwn = (file) => {
  const folder = packageFolder(file)
  return folder === undefined || file.startsWith(root) ? !isVendored(file) : isStagePackage(folder)
}
const isVendored = (file) => file.startsWith(path.join(root, "node_modules") + path.sep)

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
 * Notes every place where Node would look for a package, as far as the one that surely has it, and gives that place; undefined if
 * none has. Whether a folder without a manifest is one, hangs on what is in it.
 */
const notePackage = (specifier, from, looked) => {
  const name = specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/")
  let found
  for (let folder = from; ; folder = path.dirname(folder)) {
    if (path.basename(folder) !== "node_modules") {
      const at = path.join(folder, "node_modules", name)
      const manifest = path.join(at, "package.json")
      looked.note(at)
      looked.note(manifest)
      if (exists(manifest)) return at
      if (found === undefined && isFolder(at) && readdirSync(at).length > 0) found = at
    }
    if (folder === path.dirname(folder)) return found
  }
}

/**
 * Notes in `digests` what each module of ours was when it was read, and in `looked` what it was found by. Of a script, what is imported
 * later is led through a module of its own, which has the packages imported first that a script cannot wait for.
 */
const plugin = ({ isScript, digests, looked }) => ({
  name: "op-pipe",
  setup: (build) => {
    const resolve = async ({ path: specifier, kind, importer, resolveDir: from }) => {
      // A package manager may keep op-pipe's peer out of the project's reach; the project means the same one.
      const isPeer = /^effect(\/|$)/u.test(specifier) && notePackage(specifier, from, looked) === undefined
      const resolveDir = isPeer ? root : from
      if (isBuiltin(specifier)) return { path: specifier, external: true }
      if (specifier.startsWith(".") || path.isAbsolute(specifier)) {
        // within a package, files are what they were: a package counts by its version
        if (isOwn(importer)) return resolveOwn(path.resolve(resolveDir, specifier), looked)
      } else {
        // What is required has its path as its name, which no import has.
        const isRequired = kind === "require-call"
        // Node itself says what is missing, in its own words, if it is ever asked for.
        const missing = {
          path: isRequired ? path.join(resolveDir, "node_modules", specifier) : specifier,
          external: true
        }
        const at = notePackage(specifier, resolveDir, looked)
        if (at === undefined) return missing
        if (!bundledPackage.test(specifier) && !isStagePackage(at)) {
          const found = await build.resolve(specifier, { kind, resolveDir, pluginData: "resolving" })
          if (found.errors.length > 0 || !path.isAbsolute(found.path)) return missing
          return { path: isRequired ? found.path : pathToFileURL(found.path).href, external: true }
        }
      }
      return kind === "dynamic-import" || isPeer
        ? await build.resolve(specifier, { kind, resolveDir, pluginData: "resolving" })
        : undefined
    }
    build.onResolve({ filter: /.*/ }, async (args) => {
      if (args.pluginData === "resolving" || args.kind === "entry-point") return undefined
      if (args.namespace === "later") return { path: args.path }
      const found = await resolve(args)
      const isLater = isScript && args.kind === "dynamic-import" && found.path !== undefined && found.external !== true
      return isLater ? { path: found.path, namespace: "later" } : found
    })
    build.onLoad({ filter: /.*/, namespace: "later" }, ({ path: file }) => {
      const quoted = JSON.stringify(file)
      // a module that is waited for by who imports it
      const contents = `export const then = (resolve, reject) => __op_pipe_outside(${quoted}).then(() => import(${quoted})).then(resolve, reject)`
      return { contents, loader: "js", resolveDir: path.dirname(file) }
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

/** For each module that is imported later: the packages outside that are imported with it. */
const importedLater = (inputs, made) =>
  Object.fromEntries(
    Object.keys(inputs)
      .filter((name) => name.startsWith("later:"))
      .map((name) => inputs[name].imports.find(({ kind }) => kind === "dynamic-import").path)
      .map((name) => [path.resolve(made, name), importedWith(inputs, name)])
      .filter(([, outside]) => outside.length > 0)
  )

/**
 * With what `program.cjs` gives of a package outside left as it is, where esbuild would make of what `require` gives what `import` does.
 * Fails if esbuild writes that otherwise.
 */
const withImported = (text) => {
  const helper = /\bvar (__toESM\d*) = \(mod, isNodeMode, target\) => \(/gu
  const led = text.replaceAll(helper, "var $1 = (mod, isNodeMode, target) => __op_pipe_imported(mod) ?? (")
  if (led === text && text.includes("__toESM")) throw new Error("esbuild has another helper for what is imported")
  return led
}

/** Writes the bundle as a script; undefined if it cannot be one. */
const writeScript = async (esbuild, options, made) => {
  const { metafile, warnings, outputFiles } = await esbuild.build({
    ...options,
    format: "cjs",
    // Of a script, Node says that it may import only by what is experimental: so the imports are led through program.cjs.
    supported: { "dynamic-import": false },
    outfile: path.join(made, "program.js"),
    write: false,
    banner: { js: '(function (exports, require, module, __op_pipe_outside, __op_pipe_imported) { "use strict";' },
    footer: { js: "})" }
  })
  const { inputs } = metafile
  const { resolveDir, sourcefile } = options.stdin
  const entry = Object.keys(inputs).find((name) => path.resolve(made, name) === path.join(resolveDir, sourcefile))
  // a module's `import.meta` itself, or a package that is wanted at once
  if (warnings.some(({ id }) => id === "empty-import-meta") || importedWith(inputs, entry).length > 0) return undefined
  for (const { path: file, text } of outputFiles) writeFileSync(file, file.endsWith(".js") ? withImported(text) : text)
  writeFileSync(path.join(made, "outside.json"), JSON.stringify(importedLater(inputs, made)))
  const main = path.join(made, "main.cjs")
  copyFileSync(program, main)
  return { main, inputs }
}
const program = fileURLToPath(new URL("program.cjs", import.meta.url))

/** Writes the bundle as modules, a part for whatever two imports share. */
const writeModules = async (esbuild, options, made) => {
  const { metafile } = await esbuild.build({
    ...options,
    splitting: true,
    format: "esm",
    outdir: made,
    entryNames: "main",
    outExtension: { ".js": ".mjs" }
  })
  return { main: path.join(made, "main.mjs"), inputs: metafile.inputs }
}

/** Bundles the module `contents`, which imports as if it lay in `resolveDir`, in `folder`; see `bundled` in start.cjs. */
export const make = async (folder, contents, resolveDir, keepNames) => {
  const esbuild = await import("esbuild")
  const startedMs = Date.now()
  mkdirSync(folder, { recursive: true })
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
      absWorkingDir: made,
      metafile: true,
      logLevel: "silent",
      // As Node takes the sources: no tsconfig counts, and no import is left out.
      tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
      keepNames,
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
    "core/start/start.cjs",
    "core/start/program.cjs",
    "cache/identity/FileStat.cjs"
  ]
  const ours = ownNames.map((name) => path.join(root, name))
  const files = [...ours, ...Object.keys(inputs).map((file) => path.resolve(made, file))].filter(exists)
  const stamps = new Map([...files.map((file) => [file, stampOf(file)]), ...looked.stamps])
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
