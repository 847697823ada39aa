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

const root = path.resolve(__dirname, "../..")
const frameworkFolders = ["bin", "cache", "cli", "core", "dist"].map((name) => path.join(root, name) + path.sep)

/** Where a line of a trace in the sources is: whether in op-pipe, and in the user's own modules as that place; undefined where neither. */
const frameOf = (line) => {
  const [, place] = /^\s+at (?:.*\()?((?:file:\/\/)?\/[^()]*:\d+:\d+)\)?$/u.exec(line) ?? []
  if (place === undefined) return undefined
  const file = place.startsWith("file:") ? fileURLToPath(place.replace(/:\d+:\d+$/u, "")) : place
  if (frameworkFolders.some((folder) => file.startsWith(folder))) return { isOurs: true }
  if (/[\\/](?:node_modules|made-[^\\/]+)[\\/]/u.test(place)) return undefined
  return { isOurs: false, text: `    at ${file}${place.startsWith("file:") ? /:\d+:\d+$/u.exec(place)[0] : ""}` }
}

const isFrame = (line) => /^\s+at /u.test(line)

/** A trace in the sources with those of its places alone that are in the user's own modules. */
const withOwnFrames = (lines) => [
  ...lines.filter((line) => !isFrame(line)),
  ...lines.flatMap((line) => frameOf(line)?.text ?? [])
]

/** `error`, which a module of the user's threw, with those places in its trace that are the user's, in the sources. */
const inOwnPlaces = (error) => {
  if (!(error instanceof Error) || typeof error.stack !== "string") return error
  error.stack = withOwnFrames(inSources(error.stack).split("\n")).join("\n")
  return error
}

/** A trace as the user is to see it, if a function of the user's threw, and not one of ours: the first of both tells. */
const ownTrace = (trace) => {
  const lines = inSources(trace).split("\n")
  const first = lines.map(frameOf).find((frame) => frame !== undefined)
  return first?.isOurs === false ? withOwnFrames(lines).join("\n") : undefined
}

exports.ownTrace = ownTrace
exports.inOwnPlaces = inOwnPlaces
exports.inSources = inSources
