/**
 * modules: how a bundle finds and takes the modules that go into it, as a plugin of esbuild's.
 *
 * Modules of ours are found by cache/identity/Resolver.cjs, as code identities find them; what is within a package, by esbuild. Modules keep
 * the `import.meta` of their sources. A module that is missing becomes one that says so when it is loaded.
 *
 * esbuild is a process of its own, and each question that it asks of a plugin costs as much as a small module does. So modules of ours have
 * a namespace, and it asks about what they import; packages it reads by itself.
 */
import { hash } from "node:crypto"
import { lstatSync, readFileSync, readlinkSync, realpathSync } from "node:fs"
import { isBuiltin } from "node:module"
import path from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import FileStat from "../../cache/identity/FileStat.cjs"
import Resolver from "../../cache/identity/Resolver.cjs"

export const root = fileURLToPath(new URL("../..", import.meta.url))
export const exists = (file) => lstatSync(file, { throwIfNoEntry: false }) !== undefined

export const statOf = (file) => {
  const stat = lstatSync(file, { throwIfNoEntry: false })
  return stat === undefined ? undefined : FileStat.ofNode(stat)
}
/** What tells whether a file is the same; null of what is not there. */
export const stampOf = (file) => FileStat.figuresOf(statOf(file))

/** As Node takes the sources: no tsconfig changes what they do, and no import is left out. */
export const asWritten = { tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } } }

const bundledPackage = /^(effect|@effect\/[^/]+|op-pipe|xxhash-wasm)(\/|$)/
const loaders = {
  ...{ ".ts": "ts", ".mts": "ts", ".cts": "ts", ".tsx": "tsx" },
  ...{ ".js": "js", ".mjs": "js", ".cjs": "js", ".jsx": "jsx", ".json": "json" }
}

/** `import.meta.resolve` of a module that lies elsewhere. */
const resolverFrom =
  '((url, { createRequire } = process.getBuiltinModule("module"), { pathToFileURL } = process.getBuiltinModule("url")) => (name) => pathToFileURL(createRequire(url).resolve(name)).href)'

/**
 * What `import.meta` gives, and CommonJS, by names that each module declares for itself. A module that has no such thing finds a name that
 * nothing has, and none of the script's that it is bundled into.
 */
export const ownPlace = {
  "import.meta.url": "__op_pipe_url",
  "import.meta.filename": "__op_pipe_filename",
  "import.meta.dirname": "__op_pipe_dirname",
  "import.meta.resolve": "__op_pipe_resolve",
  __filename: "__op_pipe_cjs_filename",
  __dirname: "__op_pipe_cjs_dirname",
  module: "__op_pipe_no_module",
  exports: "__op_pipe_no_exports"
}

/** Whether a module is of CommonJS, and so has names for its own place. */
const isCommonJs = (file, text) => /\.c[jt]s$/u.test(file) || !/^\s*(?:import|export)\b/mu.test(text)

const withOwnPlace = (text, file) => {
  const [url, name, folder] = [pathToFileURL(file).href, file, path.dirname(file)].map((each) => JSON.stringify(each))
  const declared = []
  if (text.includes("import.meta")) {
    declared.push(`__op_pipe_url = ${url}, __op_pipe_filename = ${name}, __op_pipe_dirname = ${folder}`)
    declared.push(`__op_pipe_resolve = ${resolverFrom}(${url})`)
  }
  if (/\b__(?:file|dir)name\b/u.test(text) && isCommonJs(file, text)) {
    declared.push(`__op_pipe_cjs_filename = ${name}, __op_pipe_cjs_dirname = ${folder}`)
  }
  if (declared.length === 0) return text
  // on the first line, so that traces keep their lines
  return `const ${declared.join(", ")}; ${text.replace(/^#!.*/, "")}`
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

/** A package of a workspace that is imported as such is written for a bundler: without extensions, or with enums, which Node.js does not take. */
const isTypeScript = (file) => /\.[cm]?tsx?$/u.test(file)

/** op-pipe itself is a package too where it is installed. */
export const isOwn = (file) => {
  const folder = packageFolder(file)
  return folder === undefined || file.startsWith(root) ? !isVendored(file) : isStagePackage(folder)
}
const isVendored = (file) => file.startsWith(path.join(root, "node_modules") + path.sep)

/** The namespace of modules of ours. Those of packages have esbuild's, `file`. */
const own = "own"
const asOwn = (found) => {
  if (found === undefined || found.external === true || (found.namespace ?? "file") !== "file") return found
  return loaders[path.extname(found.path)] !== undefined && isOwn(found.path) ? { ...found, namespace: own } : found
}

/** The file of a module that esbuild, at work in `made`, calls `name`. */
export const fileOf = (name, made) =>
  name.startsWith(`${own}:`) ? name.slice(own.length + 1) : path.resolve(made, name)

/** What was looked at to find modules, with the stamp that each thing had before it was believed. */
export const makeLooked = () => {
  const stamps = new Map()
  const note = (file) => {
    if (stamps.has(file)) return
    stamps.set(file, stampOf(file))
    const stat = lstatSync(file, { throwIfNoEntry: false })
    // what a link leads to may be a link too
    if (stat?.isSymbolicLink()) note(path.resolve(path.dirname(file), readlinkSync(file)))
  }
  return { stamps, note }
}

/** The name of errors that say in one sentence what is wrong with the user's own modules; of others, the trace says where. */
const refused = "DeclarationError"
export const refusal = (message) => Object.assign(new Error(message), { name: refused })

/** Of a module that is missing, one that says so when it is loaded: then, since it may never be, or be caught. */
const missing = ({ path: specifier, importer, kind }, problem) => {
  const message = Resolver.describeMissing(importer, specifier, problem)
  const code = kind.startsWith("require") ? "MODULE_NOT_FOUND" : "ERR_MODULE_NOT_FOUND"
  return { path: specifier, namespace: "missing", pluginData: { message, code } }
}

const outsideOf = (folder) =>
  `it lies outside of its package, ${folder}, of which alone the content is in keys. Make it a package of its own, and import it by its name`

/** Finds modules as `resolver` does, and what packages hold as esbuild does. */
const makeResolve = (build, resolver) => {
  const answers = new Map()
  /** Folders of packages of a workspace whose modules are in the bundle. */
  const linked = new Set()
  /** Where esbuild finds what is imported of the package in the folder `at`: one answer for all modules that ask the same. */
  const within = (specifier, { kind, with: attributes }, resolveDir, at) => {
    const question = JSON.stringify([specifier, kind, attributes, at])
    if (!answers.has(question)) {
      const asked = { kind, resolveDir, with: attributes, namespace: "asked" }
      answers.set(question, build.resolve(specifier, asked))
    }
    return answers.get(question)
  }

  const inPackage = async (args, { name, specifier, folder, tried }) => {
    // What is required has its path as its name, which no import has.
    const isRequired = args.kind === "require-call"
    // A package manager may keep op-pipe's peer out of the project's reach; the project means the same one.
    const isPeer = name === "effect" && resolver.packageFolder(name, folder) === undefined
    const resolveDir = isPeer ? root : folder
    const at = resolver.packageFolder(name, resolveDir)
    if (at === undefined) return missing(args, Resolver.notInstalled({ name, tried, folder }))
    const found = await within(specifier, args, resolveDir, at)
    if (found.errors.length > 0) return missing(args, `the package ${name} has no such module to import`)
    if (!path.isAbsolute(found.path)) return { path: found.path, external: true }
    // what a manifest says of side effects is no part of what the sources do
    if (bundledPackage.test(specifier)) return found
    const isLinked = packageFolder(found.path) === undefined
    if (!isStagePackage(at) && !(isLinked && isTypeScript(found.path)))
      return { path: isRequired ? found.path : pathToFileURL(found.path).href, external: true }
    if (isLinked) linked.add(realpathSync.native(at) + path.sep)
    return { ...found, sideEffects: true }
  }

  return async (args) => {
    const { path: specifier, kind, resolveDir: folder } = args
    if (isBuiltin(specifier)) return { path: specifier, external: true }
    const found = resolver.resolve({ specifier, folder, isRequired: kind.startsWith("require") })
    if (found.type === "package") return await inPackage(args, found)
    if (found.type === "missing") return missing(args, found.problem)
    if (found.type === "builtin") return { path: specifier, external: true }
    const file = realpathSync.native(found.file)
    const from = [...linked].find((each) => `${folder}${path.sep}`.startsWith(each))
    return from === undefined || file.startsWith(from) ? { path: file } : missing(args, outsideOf(from))
  }
}

/** Adds the loaders of modules that stand for others: `later` for what a script imports later, `missing` for what is not there. */
const loadStandIns = (build) => {
  build.onLoad({ filter: /.*/, namespace: "later" }, ({ path: file }) => {
    const quoted = JSON.stringify(file)
    // a module that is waited for by who imports it
    const contents = `export const then = (resolve, reject) => __op_pipe_outside(${quoted}).then(() => import(${quoted})).then(resolve, reject)`
    return { contents, loader: "js", resolveDir: path.dirname(file) }
  })
  build.onLoad({ filter: /.*/, namespace: "missing" }, ({ pluginData: { message, code } }) => {
    const problem = `Object.assign(new Error(${JSON.stringify(message)}), ${JSON.stringify({ name: refused, code })})`
    // of CommonJS, whose names nobody asks for before it is loaded
    return { contents: `module.exports = {}; throw ${problem}`, loader: "js" }
  })
}

/**
 * A module of ours as esbuild is to take it. Comments such as `@__PURE__` would have it leave out calls whose results are not used, which the
 * sources make: no comment changes what a stage computes.
 */
const prepared = async ({ esbuild }, file, text) => {
  const loader = loaders[path.extname(file)]
  if (loader === "json") return { contents: text, loader }
  const contents = withOwnPlace(text, file)
  if (!/[@#]__(?:PURE|NO_SIDE_EFFECTS)__/u.test(text)) return { contents, loader }
  const { code } = await esbuild.transform(contents, {
    ...asWritten,
    loader,
    jsx: "preserve",
    target: "esnext",
    ignoreAnnotations: true,
    sourcefile: path.basename(file),
    sourcemap: "inline"
  })
  return { contents: code, loader: loader.endsWith("x") ? "jsx" : "js" }
}

/**
 * Notes in `digests` what each module of ours was when it was read, and in `looked` what it was found by. Of a script, what is imported
 * later is led through a module of its own, which has the packages imported first that a script cannot wait for.
 */
export const plugin = ({ isScript, digests, looked }) => ({
  name: "op-pipe",
  setup: (build) => {
    const resolve = makeResolve(build, Resolver.make(Resolver.lookAtDisk(looked.note)))
    const find = async (args) => {
      if (args.kind === "entry-point") return undefined
      if (args.namespace === "later") return asOwn({ path: args.path })
      const found = asOwn(await resolve(args))
      const isFile = found.external !== true && [undefined, "file", own].includes(found.namespace)
      const isLater = isScript && args.kind === "dynamic-import" && isFile
      return isLater ? { path: found.path, namespace: "later" } : found
    }
    build.onResolve({ filter: /.*/, namespace: own }, find)
    build.onResolve({ filter: /.*/, namespace: "later" }, find)
    // within a package, files are what they were: a package counts by its version
    build.onResolve({ filter: /^[^.#]/, namespace: "file" }, find)
    loadStandIns(build)
    build.onLoad({ filter: /.*/, namespace: own }, async ({ path: file }) => {
      const bytes = readFileSync(file)
      digests[file] = hash("sha256", bytes, "hex")
      return { ...(await prepared(build, file, bytes.toString("utf8"))), resolveDir: path.dirname(file) }
    })
  }
})
