/**
 * launch: starts the command line from a bundle of it and its pipeline (see bundle.mjs). What the pipeline's code *is*, for the
 * cache keys, is told from the sources as ever. When no bundle can be made, the sources are loaded.
 */

import { lstatSync } from "node:fs"
import path from "node:path"
import { pathToFileURL } from "node:url"
import { bundled, inSources } from "./bundle.mjs"

const pipelineNames = ["pipeline.ts", "pipeline.mjs", "pipeline.js"]
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

/** effect's command line makes a segmenter of graphemes when it is loaded, and uses it for help alone. It takes a tenth of a start, so it is made on first use. */
const withLateSegmenter = async (load) => {
  const { Segmenter } = Intl
  Intl.Segmenter = class {
    constructor(...told) {
      this.told = told
    }
    segment(text) {
      this.made ??= new Segmenter(...this.told)
      return this.made.segment(text)
    }
  }
  try {
    return await load()
  } finally {
    Intl.Segmenter = Segmenter
  }
}

export const launch = async (entry, builtIn, args) => {
  const pipeline = findPipeline(args, builtIn)
  const loads = exists(pipeline) ? `[${JSON.stringify(pipeline)}]: () => import(${JSON.stringify(pipeline)})` : ""
  const contents = `import { main } from ${JSON.stringify(entry)}\nexport const start = (args, inSources) => main(args, { ${loads} }, inSources)`
  try {
    const { main: file } = await bundled(contents, path.dirname(entry))
    const { start } = await withLateSegmenter(() => import(pathToFileURL(file).href))
    return () => start(args, inSources)
  } catch {
    // The sources give the better error, if there is one.
    const { main } = await import(pathToFileURL(entry).href)
    return () => main(args)
  }
}
