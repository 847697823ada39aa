/**
 * sources: modules of the project as Node loads them, found as in a bundle. For when there is none: Node alone knows no TypeScript names,
 * no tsconfig and no JSX, and tells what is missing in its own words.
 */
"use strict"
const { readFileSync } = require("node:fs")
const { registerHooks } = require("node:module")
const path = require("node:path")
const { fileURLToPath, pathToFileURL } = require("node:url")
const Resolver = require("../../cache/identity/Resolver.cjs")

const isOwn = (url) => url?.startsWith("file:") && !url.includes("/node_modules/")

const ofAliases =
  "An alias of a tsconfig.json that this one extends by another name leads nowhere in a step without a bundle: unset OP_PIPE_BUNDLE"

const missing = (importer, specifier, problem) => {
  const message = Resolver.describeMissing(importer, specifier, problem)
  return Object.assign(new Error(message), { name: "DeclarationError", code: "ERR_MODULE_NOT_FOUND" })
}

/** Has Node find the project's modules so in this process. */
const register = () => {
  const resolver = Resolver.make(Resolver.lookAtDisk())
  const resolve = (specifier, context, nextResolve) => {
    const { parentURL, conditions } = context
    // A URL is found already, and what CommonJS requires is Node's.
    if (!isOwn(parentURL) || /^[a-z]+:/iu.test(specifier) || conditions.includes("require")) {
      return nextResolve(specifier, context)
    }
    const importer = fileURLToPath(parentURL)
    const found = resolver.resolve({ specifier, folder: path.dirname(importer) })
    if (found.type === "file") return nextResolve(pathToFileURL(found.file).href, context)
    try {
      return nextResolve(specifier, context)
    } catch (error) {
      if (error.code !== "ERR_MODULE_NOT_FOUND" && error.code !== "ERR_PACKAGE_IMPORT_NOT_DEFINED") throw error
      // A package manager may keep op-pipe's peer out of the project's reach; the project means the same one.
      if (found.name === "effect")
        return nextResolve(specifier, { ...context, parentURL: pathToFileURL(__filename).href })
      throw missing(
        importer,
        specifier,
        found.problem ?? `${Resolver.notInstalled({ ...found, folder: path.dirname(importer) })}. ${ofAliases}`
      )
    }
  }
  const load = (url, context, nextLoad) => {
    const ending = path.extname(new URL(url).pathname)
    if (!isOwn(url)) return nextLoad(url, context)
    if (ending === ".json") return nextLoad(url, { ...context, importAttributes: { type: "json" } })
    if (ending !== ".tsx" && ending !== ".jsx") return nextLoad(url, context)
    const { code } = require("esbuild").transformSync(readFileSync(fileURLToPath(url), "utf8"), {
      loader: ending.slice(1),
      target: "node22",
      tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
      sourcemap: "inline"
    })
    return { format: "module", source: code, shortCircuit: true }
  }
  registerHooks({ resolve, load })
}

exports.register = register
