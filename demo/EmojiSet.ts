/** The demo set on the disk: its README, and whether a folder has it complete. */
import { readdirSync, readFileSync } from "node:fs"
import * as path from "node:path"
import { emojiClasses } from "./EmojiClasses.ts"

/** Width and height of an image, pixels. */
export const imageSize = 256
/** Gives about 3,700 images. */
export const defaultPerClass = 280
/** The first line of the README. */
export const title = "# Open emoji art, by subject"
/** The line of the README that says how the set was made. */
export const recipeOf = (perClass: number): string =>
  `Recipe: emoji/v1, ${imageSize} px, at most ${perClass || "all"} a class`

const ifReadable = <A>(read: () => A, instead: A): A => {
  try {
    return read()
  } catch {
    return instead
  }
}

const countImages = (dir: string): number => {
  const files = Object.keys(emojiClasses).flatMap((name) => ifReadable(() => readdirSync(path.join(dir, name)), []))
  return files.filter((file) => file.endsWith(".png")).length
}

/** The number of images of the complete set of this recipe at `dir`; undefined if there is none. */
export const wholeSet = (dir: string, perClass: number): number | undefined => {
  const text = ifReadable(() => readFileSync(path.join(dir, "README.md"), "utf8"), "")
  const images = Number(/^Pictures: (\d+)$/mu.exec(text)?.[1] ?? Number.NaN)
  const isOurs = text.startsWith(title) && text.includes(`${recipeOf(perClass)}\n`)
  return isOurs && countImages(dir) >= images ? images : undefined
}
