/**
 * Watcher: tells which files change, of those that count.
 *
 * It watches folders and not files: an editor that saves by renaming a new file to the old one's name leaves a watched file behind.
 * A folder for each folder of the sources, and for each that code lies in: systems limit how many folders one may watch, not how many
 * files these hold.
 */
import { type FSWatcher, readdirSync, statSync, watch } from "node:fs"
import * as path from "node:path"
import type { Places } from "./Places.ts"

/** What counts in a folder: every entry, or some by name. */
type Counting = "all" | Set<string>

interface Watched {
  readonly watcher: FSWatcher
  readonly inode: string
  counting: Counting
}

export interface Watcher {
  /** Watches these places from now on, and tells at once what changed in new ones since the run looked at them. */
  readonly set: (places: Places) => void
  /** Has every entry of the watched folders count, and of those below `root`: for when it is unknown what does. */
  readonly widen: (root: string) => void
  readonly close: () => void
}

const inodeOf = (folder: string): string | undefined => {
  const stat = statSync(folder, { throwIfNoEntry: false })
  // a number may be another folder's at once; when it was made, some systems do not say
  return stat?.isDirectory() === true ? `${stat.dev}:${stat.ino}:${stat.birthtimeMs}` : undefined
}

const countingIn = ({ folders, files }: Places): ReadonlyMap<string, Counting> => {
  const counting = new Map<string, Counting>()
  for (const file of files) {
    const folder = path.dirname(file)
    const names = counting.get(folder) ?? new Set()
    if (names !== "all") counting.set(folder, names.add(path.basename(file)))
  }
  for (const folder of folders) counting.set(folder, "all")
  return counting
}

/** Entries of a folder that count and changed after `sinceMs`. */
const changedIn = (folder: string, counting: Counting, sinceMs: number): ReadonlyArray<string> => {
  try {
    const names = counting === "all" ? readdirSync(folder) : Array.from(counting)
    const isLater = (name: string): boolean => {
      const stat = statSync(path.join(folder, name), { throwIfNoEntry: false })
      return stat?.isFile() === true && stat.ctimeMs > sinceMs
    }
    return names.filter(isLater).map((name) => path.join(folder, name))
  } catch {
    // it is gone: its watcher, or that of the folder above, tells
    return []
  }
}

/** So many folders are looked at when it is unknown what counts. */
const mostFolders = 2000

/** `root` and the folders below it that may hold what somebody edits. */
const foldersBelow = (root: string): ReadonlyArray<string> => {
  const found = [root]
  for (let at = 0; at < found.length && found.length < mostFolders; at++) {
    try {
      for (const entry of readdirSync(found[at]!, { withFileTypes: true })) {
        const isLeft = entry.name.startsWith(".") || entry.name === "node_modules" || entry.name === "outputs"
        if (entry.isDirectory() && !isLeft) found.push(path.join(found[at]!, entry.name))
      }
    } catch {
      // it may not be read, or is gone
    }
  }
  return found
}

/** What the system says when it watches no more. */
const limits = new Set(["ENOSPC", "EMFILE", "ENFILE"])

type WatchFolder = (folder: string, listener: (event: string, name: string | null) => void) => FSWatcher

/** The folders that are watched at present. */
const makeFolders = (onChange: (file: string) => void, watchFolder: WatchFolder) => {
  const watched = new Map<string, Watched>()
  const forget = (folder: string): void => {
    watched.get(folder)?.watcher.close()
    watched.delete(folder)
  }
  const listen = (folder: string) => (event: string, name: string | null) => {
    // a folder that is removed or made is no longer the one that is watched
    if (event === "rename" && name !== null) forget(path.join(folder, name))
    const now = watched.get(folder)?.counting
    if (name === null || now === "all" || now?.has(name)) onChange(path.join(folder, name ?? ""))
  }
  /** Watches the folder; false if the system allows no more. */
  const add = (folder: string, counting: Counting, inode: string): boolean => {
    try {
      const watcher = watchFolder(folder, listen(folder))
      watcher.on("error", () => {
        forget(folder)
        onChange(folder)
      })
      watched.set(folder, { watcher, inode, counting })
      return true
    } catch (error) {
      return !limits.has((error as NodeJS.ErrnoException).code ?? "")
    }
  }
  return { watched, forget, add }
}

/**
 * `onChange` is told each path that changed, as often as the system says so; `onLimit` how many folders are not watched. `watchFolder` is
 * how the system watches one.
 */
export const make = (
  onChange: (file: string) => void,
  onLimit: (folders: number) => void,
  watchFolder: WatchFolder = watch
): Watcher => {
  const { watched, forget, add } = makeFolders(onChange, watchFolder)
  /** Watches folders; gives those that are new. */
  const watchAll = (wanted: ReadonlyMap<string, Counting>): ReadonlyArray<string> => {
    const added: Array<string> = []
    let refused = 0
    for (const [folder, counting] of wanted) {
      const inode = inodeOf(folder)
      const before = watched.get(folder)
      if (inode !== undefined && before?.inode === inode) before.counting = counting
      else {
        forget(folder)
        if (inode === undefined) continue
        if (add(folder, counting, inode)) added.push(folder)
        else refused++
      }
    }
    if (refused > 0) onLimit(refused)
    return added
  }
  return {
    set: (places) => {
      const wanted = countingIn(places)
      for (const folder of Array.from(watched.keys())) if (!wanted.has(folder)) forget(folder)
      for (const folder of watchAll(wanted))
        for (const file of changedIn(folder, wanted.get(folder)!, places.seenMs)) onChange(file)
    },
    widen: (root) => {
      const all = [...watched.keys(), ...foldersBelow(root)]
      watchAll(new Map(all.map((folder) => [folder, "all"])))
    },
    close: () => {
      for (const folder of Array.from(watched.keys())) forget(folder)
    }
  }
}
