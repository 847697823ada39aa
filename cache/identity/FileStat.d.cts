/** FileStat: the types of FileStat.cjs. */

/** What tells whether a file is the same. */
export interface FileStat {
  readonly sizeBytes: number
  readonly mtimeMs: number
  readonly ctimeMs: number
  readonly inode: number
}

/** The same as plain numbers, in that order. */
export type Figures = readonly [sizeBytes: number, mtimeMs: number, ctimeMs: number, inode: number]

export const figureCount: 4

interface NodeStats {
  readonly size: number
  readonly mtimeMs: number
  readonly ctimeMs: number
  readonly ino: number
}

/** From what `node:fs` says. */
export const ofNode: (stats: NodeStats) => FileStat

/** null of what is not there. */
export const figuresOf: (stat: FileStat | undefined) => Figures | null

/** Writes the four figures into an array, from `at` on. */
export const writeFigures: (figures: Float64Array, at: number, stat: FileStat) => void

/** Whether the four figures from `at` on are those of `stat`. */
export const hasFigures: (figures: ArrayLike<number>, at: number, stat: FileStat) => boolean

/** The same of what `node:fs` says, for the hundreds of files that each start looks at. */
export const hasFiguresOfNode: (figures: ArrayLike<number | null>, at: number, stats: NodeStats) => boolean

/** Whether a file is what it was when it had these figures; null of what was not there. */
export const isAsBefore: (figures: Figures | null, stat: FileStat | undefined) => boolean

/** Whether two looks saw the same file, or both none. */
export const isSame: (a: FileStat | undefined, b: FileStat | undefined) => boolean

/**
 * Whether the file system of a file, which lies on `device`, changes the ctime with each change of the file: by writes, or
 * also by writes through mappings. Elsewhere than on Linux that is taken for granted, and everywhere with
 * `OP_PIPE_TRUST_STAT=1`.
 */
export const keepsTimes: (file: string, device: number, isMapped: boolean) => boolean

/** Whether a file changed so short a time before `nowMs` that a later change could leave the same figures. */
export const isRacy: (stat: FileStat, nowMs: number) => boolean
