/**
 * program: runs the bundle beside which it is copied, `program.js`, with the code that V8 compiled of it in earlier processes.
 *
 * Node's own compile cache has of a file what V8 compiles when it loads it, but not the functions that are compiled when they are first
 * called: 1,400 of them in a run with nothing to do, a fifth of its time. Here the code is taken when the process ends, of the second
 * that ends well, for each verb by itself: the first has mostly executed all steps, and code that is seldom called costs each start.
 */
"use strict"
const { hash } = require("node:crypto")
const { existsSync, lstatSync, readFileSync, renameSync, writeFileSync } = require("node:fs")
const { enableCompileCache, isBuiltin } = require("node:module")
const path = require("node:path")
const vm = require("node:vm")

/** A line before the code: a SHA-1. */
const headBytes = 41
const verb = /^[a-z]+$/u.exec(process.argv[2] ?? "")?.[0] ?? "other"
/** V8 takes code back only with the flags that it was compiled under, such as NODE_OPTIONS=--max-old-space-size=8192. */
const flags = [...process.execArgv, process.env.NODE_OPTIONS ?? ""].join(" ")
const kind = flags === "" ? verb : `${verb}-${hash("sha256", flags, "hex").slice(0, 12)}`
const keptIn = path.join(__dirname, "compiled", kind)
const marker = `${keptIn}-once`

const filename = path.join(__dirname, "program.js")
const { size, mtimeMs, ctimeMs, ino } = lstatSync(filename)
/** The text that the code was compiled of, as its file's stat tells it. */
const text = hash("sha1", [size, mtimeMs, ctimeMs, ino].join())
/**
 * Of code and its text, against damage. Nobody but the user can put code there (start.cjs), and SHA-256 takes twice the time, of
 * every start; so does a hash that takes more than one part.
 */
const headOf = (code) => `${hash("sha1", text + hash("sha1", code))}\n`

/** The code that was kept; V8 believes whatever it is given, if the text is as long as it was. */
const kept = () => {
  try {
    const bytes = readFileSync(keptIn)
    const code = bytes.subarray(headBytes)
    return bytes.latin1Slice(0, headBytes) === headOf(code) ? code : undefined
  } catch {
    return undefined
  }
}

const keep = (script) => {
  if (!existsSync(marker)) return writeFileSync(marker, "")
  const whole = `${keptIn}.${process.pid}`
  const code = script.createCachedData()
  writeFileSync(whole, Buffer.concat([Buffer.from(headOf(code)), code]), { mode: 0o600 })
  renameSync(whole, keptIn)
}

/** Of what is not in the bundle, Node's own cache has at least what is compiled when it is loaded. */
const importOutside = (name) => {
  enableCompileCache()
  // what a script asks for has lost the attributes that its source wrote
  return import(name, name.endsWith(".json") ? { with: { type: "json" } } : undefined)
}

/** What was imported of packages outside of the bundle, by what they are asked for. */
const imported = new Map()
/** By module of the bundle, what it imports from outside. */
let outsideOf
/** Imports what the module `file` of the bundle imports from outside, before it is evaluated. */
const outside = async (file) => {
  outsideOf ??= JSON.parse(readFileSync(path.join(__dirname, "outside.json"), "utf8"))
  const wanted = outsideOf[file] ?? []
  await Promise.all(wanted.map(async (name) => imported.set(name, await importOutside(name))))
}
/** Node's own modules that the bundle required. */
const builtins = new WeakSet()
const requiredOfNode = (name) => {
  const found = require(name)
  if (Object(found) === found) builtins.add(found)
  return found
}
/** What the bundle requires, or imports: then it is imported already, or is waited for. */
const required = (name) => {
  if (isBuiltin(name)) return requiredOfNode(name)
  return path.isAbsolute(name) ? require(name) : (imported.get(name) ?? importOutside(name))
}

const [ofPackages, ofModules] = [new WeakMap(), new WeakMap()]
/**
 * What `import` gives of what was required, by `anew`; what was imported is that already, or will be. Of Node's own modules it is made
 * once: esbuild makes it for each module that imports, and these copies were 4 % of all that a start allocates. A package that is
 * required in a circle has more exports later.
 */
const asImported = (found, isOfModule, anew) => {
  if (found instanceof Promise || found?.[Symbol.toStringTag] === "Module") return found
  if (!builtins.has(found)) return anew(found, isOfModule)
  const made = isOfModule ? ofModules : ofPackages
  if (!made.has(found)) made.set(found, anew(found, isOfModule))
  return made.get(found)
}

const cachedData = kept()
const script = new vm.Script(readFileSync(filename, "utf8"), { filename, cachedData })
// V8 rejects what another processor compiled, in a home that several machines share
if (cachedData === undefined || script.cachedDataRejected === true)
  process.once("exit", (code) => {
    try {
      if (code === 0) keep(script)
    } catch {
      // the next process compiles it again
    }
  })
script.runInThisContext()(exports, required, module, outside, asImported)
