/** Edit: one edit of a World, and what the files of edits share. */
import { cpSync, renameSync, rmSync, statSync, utimesSync } from "node:fs"
import * as path from "node:path"
import type * as Random from "../../stages/lib/Random.ts"
import type { World } from "./World.ts"

export interface Edit {
  readonly what: string
  /** What the reason of a step that it touches directly must name; undefined where that is not known. */
  readonly named?: string
  /** Done when the model is on disk. */
  readonly after?: () => void
  /** What went out of the store: every result, or blobs, whose results are then of no use. */
  readonly lost?: "results" | "some blobs"
  /** The project goes to another folder. */
  readonly moved?: true
}

/** Where an edit is made. */
export interface Place {
  readonly world: World
  readonly root: string
  readonly random: Random.Random
  readonly serial: number
  /** The world as it was earlier. */
  readonly earlier: Array<World>
}

export type MakeEdit = (place: Place) => Edit

export const pick = <A>(random: Random.Random, all: Iterable<A>): A => {
  const list = Array.from(all)
  return list[random.int(list.length)]!
}

/** Puts other files in the place of those in `folder`, with the same content and times. */
export const copyAnew = (folder: string): void => {
  cpSync(folder, `${folder}.new`, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true })
  rmSync(folder, { recursive: true })
  renameSync(`${folder}.new`, folder)
}

/** Has `change` be made unseen: a file's times are put back afterwards, or set to a whole second, or to the first of all. */
export const restamp = (random: Random.Random, root: string, name: string): (() => void) => {
  const file = path.join(root, name)
  const before = statSync(file, { throwIfNoEntry: false })
  const second = new Date(Math.floor(Date.now() / 1000) * 1000)
  const stamp = pick(random, [before?.mtime ?? second, second, new Date(0)])
  return () => utimesSync(file, before?.atime ?? stamp, stamp)
}
