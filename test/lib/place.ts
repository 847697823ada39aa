/** Where a run of a test keeps what it keeps, and the data of the letters pipeline. */
import { mkdirSync } from "node:fs"
import * as path from "node:path"
import { temporaryFolder, writeFiles } from "./temporary.ts"

export interface Place {
  readonly store: string
  readonly outputs: string
  readonly data: string
}

export const letterTexts = { "texts/a.txt": "hello big world\n", "texts/b.txt": "again\n" }
/** The steps of the letters pipeline. */
export const letterSteps = ["words", "count@words", "count@letters", "print"]

/** A store and outputs below `root`, where the data is too if it is not elsewhere. */
export const placeIn = (root: string, data = path.join(root, "texts")): Place => ({
  store: path.join(root, "store"),
  outputs: path.join(root, "outputs"),
  data
})

/** A place in a folder of its own, with data in `texts`. */
export const newPlace = (files: Readonly<Record<string, string | Uint8Array>> = letterTexts): Place => {
  const root = temporaryFolder()
  mkdirSync(path.join(root, "texts"))
  writeFiles(root, files)
  return placeIn(root)
}
