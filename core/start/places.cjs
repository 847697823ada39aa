/** places: where in the sources what happened in a bundle did. */
"use strict"
const { existsSync, readFileSync } = require("node:fs")
const { SourceMap } = require("node:module")
const path = require("node:path")
const { pathToFileURL } = require("node:url")

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
      const source = path.resolve(path.dirname(file), found.originalSource)
      return `${pathToFileURL(source).href}:${found.originalLine + 1}:${found.originalColumn + 1}`
    }
  )
}

exports.inSources = inSources
