/** places: where in the sources what happened in a bundle did. */
"use strict"
const { existsSync, readFileSync } = require("node:fs")
const { SourceMap } = require("node:module")
const path = require("node:path")
const { fileURLToPath, pathToFileURL } = require("node:url")

/** A stack trace whose places in bundles are replaced by places in the sources. */
const inSources = (trace) => {
  const maps = new Map()
  const mapOf = (file) => {
    if (!maps.has(file))
      maps.set(file, existsSync(`${file}.map`) ? new SourceMap(JSON.parse(readFileSync(`${file}.map`, "utf8"))) : null)
    return maps.get(file)
  }
  return trace.replaceAll(
    /(?:file:\/\/)?(\/[^\s():]*\/made-[^\s():]+\.m?js):(\d+):(\d+)/gu,
    (whole, file, line, column) => {
      const found = mapOf(file)?.findEntry(Number(line) - 1, Number(column) - 1)
      if (found?.originalSource === undefined) return whole
      // modules of ours have a namespace: `own` of modules.mjs
      const source = path.resolve(path.dirname(file), found.originalSource.replace(/^own:/u, ""))
      return `${pathToFileURL(source).href}:${found.originalLine + 1}:${found.originalColumn + 1}`
    }
  )
}

/** A frame of a trace that is in the user's own modules, as its place alone; undefined of any other. */
const ownFrame = (line) => {
  const [, place] = /^\s+at (?:.*\()?((?:file:\/\/)?\/[^()]*:\d+:\d+)\)?$/u.exec(line) ?? []
  if (place === undefined || /[\\/](?:node_modules|made-[^\\/]+)[\\/]/u.test(place)) return undefined
  const file = place.startsWith("file:") ? fileURLToPath(place.replace(/:\d+:\d+$/u, "")) : place
  if (frameworkFolders.some((folder) => file.startsWith(folder))) return undefined
  return `    at ${file}${place.startsWith("file:") ? /:\d+:\d+$/u.exec(place)[0] : ""}`
}
const root = path.resolve(__dirname, "../..")
const frameworkFolders = ["bin", "cache", "cli", "core", "dist"].map((name) => path.join(root, name) + path.sep)

/** `error`, which a module of the user's threw, with those places in its trace that are the user's, in the sources. */
const inOwnPlaces = (error) => {
  if (!(error instanceof Error) || typeof error.stack !== "string") return error
  const lines = inSources(error.stack).split("\n")
  const isFrame = (line) => /^\s+at /u.test(line)
  const said = lines.filter((line) => !isFrame(line))
  const frames = lines.filter(isFrame).flatMap((line) => ownFrame(line) ?? [])
  error.stack = [...said, ...frames].join("\n")
  return error
}

exports.inOwnPlaces = inOwnPlaces
exports.inSources = inSources
