/**
 * FolderMemo: the known files of one folder, by name: the stat that a file had, and its digest.
 *
 * Stored in columns, in memory as on disk, so that a hundred thousand files load at once: no text is parsed, and a file
 * that is only compared needs no object.
 */
import type * as Digest from "../identity/Digest.ts"
import * as FileStat from "../identity/FileStat.cjs"
import type { InspectedEntry, Stat } from "./Disk.ts"

// as constants of this module: in a bundle a namespace has getters
const { figureCount, hasFigures, writeFigures } = FileStat
const digestBytes = 32

export interface Columns {
  readonly names: ReadonlyArray<string>
  /** The figures of each file (FileStat). */
  readonly figures: Float64Array
  /** 32 bytes of each file. */
  readonly digests: Buffer
}

const grown = (count: number): number => Math.max(8, 2 * count)

export class FolderMemo {
  private names: Array<string>
  private figures: Float64Array
  private digests: Buffer
  private index: Map<string, number> | undefined
  /** Where to look first: most callers ask for files in the order in which they were noted. */
  private next = 0

  constructor({ names, figures, digests }: Columns) {
    this.names = names.slice()
    this.figures = figures
    this.digests = digests
  }

  static empty(): FolderMemo {
    return new FolderMemo({ names: [], figures: new Float64Array(0), digests: Buffer.alloc(0) })
  }

  private find(name: string): number | undefined {
    if (this.names[this.next] === name) return this.next++
    this.index ??= new Map(this.names.map((each, at) => [each, at]))
    const at = this.index.get(name)
    if (at !== undefined) this.next = at + 1
    return at
  }

  private hasAt(at: number, stat: Stat): boolean {
    return hasFigures(this.figures, figureCount * at, stat)
  }

  /** The digest of a file that has `stat`, if the file had the same stat before. */
  known(name: string, stat: Stat): Digest.Digest | undefined {
    const at = this.find(name)
    if (at === undefined || !this.hasAt(at, stat)) return undefined
    return this.digests.toString("hex", digestBytes * at, digestBytes * (at + 1)) as Digest.Digest
  }

  /** Whether these files (sorted by name) are exactly the known ones, with the same stats. */
  isExactly(files: ReadonlyArray<InspectedEntry>): boolean {
    return (
      files.length === this.names.length &&
      files.every(({ name, stat }, at) => this.names[at] === name && stat !== undefined && this.hasAt(at, stat))
    )
  }

  note(name: string, stat: Stat, digest: Digest.Digest): void {
    const at = this.find(name) ?? this.insert(name)
    writeFigures(this.figures, figureCount * at, stat)
    this.digests.write(digest, digestBytes * at, "hex")
  }

  /** Makes room for a new name at its sorted position. */
  private insert(name: string): number {
    const { names } = this
    if (names.length >= this.figures.length / figureCount) this.grow()
    const last = names.at(-1)
    if (last === undefined || last < name) {
      this.index?.set(name, names.length)
      return names.push(name) - 1
    }
    let [at, end] = [0, names.length]
    while (at < end) {
      const middle = (at + end) >>> 1
      if (names[middle]! < name) at = middle + 1
      else end = middle
    }
    names.splice(at, 0, name)
    this.figures.copyWithin(figureCount * (at + 1), figureCount * at)
    this.digests.copyWithin(digestBytes * (at + 1), digestBytes * at)
    this.index = undefined
    return at
  }

  private grow(): void {
    const { figures, digests } = this
    const count = grown(this.names.length)
    this.figures = new Float64Array(figureCount * count)
    this.figures.set(figures)
    this.digests = Buffer.alloc(digestBytes * count)
    this.digests.set(digests)
  }

  /** True if there was something to drop. */
  drop(name: string): boolean {
    const at = this.find(name)
    if (at === undefined) return false
    this.figures.copyWithin(figureCount * at, figureCount * (at + 1))
    this.digests.copyWithin(digestBytes * at, digestBytes * (at + 1))
    this.names.splice(at, 1)
    this.index = undefined
    this.next = at
    return true
  }

  /** Drops all other files; true if there were any. */
  keepOnly(files: ReadonlyArray<InspectedEntry>): boolean {
    const kept = new Set(files.map(({ name }) => name))
    const others = this.names.filter((name) => !kept.has(name))
    for (const name of others) this.drop(name)
    return others.length > 0
  }

  /** All known files, sorted by name. */
  get columns(): Columns {
    const { length } = this.names
    return {
      names: this.names,
      figures: this.figures.slice(0, figureCount * length),
      digests: this.digests.subarray(0, digestBytes * length)
    }
  }
}

/** The digest of a whole tree: valid while every folder in it holds exactly its known files. */
export interface TreeMemo {
  /** Relative paths of the folders in it, in the order of a walk. */
  readonly folders: ReadonlyArray<string>
  readonly digest: Digest.Digest
}

export interface Memo {
  readonly folders: Map<string, FolderMemo>
  /** By the tree's root. */
  readonly trees: Map<string, TreeMemo>
}

interface Head {
  readonly folders: ReadonlyArray<readonly [folder: string, names: ReadonlyArray<string>]>
  readonly trees: ReadonlyArray<readonly [root: string, tree: TreeMemo]>
}

/** The length of the head, the head in JSON, then the figures of all folders, then the digests. */
export const encode = ({ folders, trees }: Memo): Uint8Array => {
  const kept = Array.from(folders, ([folder, each]) => [folder, each.columns] as const).filter(
    ([, { names }]) => names.length > 0
  )
  const head: Head = { folders: kept.map(([folder, { names }]) => [folder, names]), trees: Array.from(trees) }
  const text = Buffer.from(JSON.stringify(head))
  const length = Buffer.alloc(8)
  length.writeDoubleLE(text.length)
  const figures = kept.map(([, columns]) => Buffer.from(columns.figures.buffer))
  return Buffer.concat([length, text, ...figures, ...kept.map(([, columns]) => columns.digests)])
}

export const decode = (bytes: Uint8Array): Memo => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const start = 8 + buffer.readDoubleLE(0)
  const head = JSON.parse(buffer.toString("utf8", 8, start)) as Head
  const count = head.folders.reduce((sum, [, names]) => sum + names.length, 0)
  const middle = start + 8 * figureCount * count
  // a copy: a Float64Array must begin at a multiple of eight
  const figures = new Float64Array(new Uint8Array(bytes.subarray(start, middle)).buffer)
  const digests = buffer.subarray(middle)
  let at = 0
  const folders = head.folders.map(([folder, names]) => {
    const end = at + names.length
    const columns = {
      names,
      figures: figures.subarray(figureCount * at, figureCount * end),
      digests: digests.subarray(digestBytes * at, digestBytes * end)
    }
    at = end
    return [folder, new FolderMemo(columns)] as const
  })
  return { folders: new Map(folders), trees: new Map(head.trees) }
}
