/** Calls: what Node's own calls to the file system get wrong: pipes that are read for ever, folders that are made for ever. */
import * as fs from "node:fs"
import * as nodePath from "node:path"
import { childProcess } from "./Late.ts"

/** To read a named pipe waits for a writer, for ever; a device may not end. Gives the stat of a file that is there. */
export const refuseOdd = (path: string): fs.Stats | undefined => {
  const stat = fs.statSync(path, { throwIfNoEntry: false })
  if (stat === undefined || stat.isFile()) return stat
  const found = stat.isDirectory() ? "a folder" : "a pipe, socket or device"
  throw Object.assign(new Error(`expected a file, but found ${found}`), { code: "EINVAL" })
}

export const readText = (path: string): string => {
  refuseOdd(path)
  return fs.readFileSync(path, "utf8")
}

const { O_RDONLY, O_NONBLOCK = 0, O_NOFOLLOW = 0 } = fs.constants
// the types know a flag's name alone, the call its number too
const atOnce = { encoding: "utf8" as const, flag: (O_RDONLY | O_NONBLOCK | O_NOFOLLOW) as unknown as string }

/**
 * The text of a record in the store. A run with nothing to do reads two a step, and to ask of each first whether it is a file
 * is 4 % of it (1,000 steps, measured). So a link is not followed, a pipe has nothing to give, and such are asked of then;
 * only root can make a device in a store.
 */
export const readRecord = (path: string): string => {
  try {
    const text = fs.readFileSync(path, atOnce)
    if (text !== "") return text
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") throw cause
    refuseOdd(path)
    if ((cause as NodeJS.ErrnoException).code !== "ELOOP") throw cause
  }
  return readText(path)
}

export const read = (path: string): Uint8Array => {
  refuseOdd(path)
  return fs.readFileSync(path)
}

/** Makes files and folders by another umask than the user's. */
export const byUmask = <A>(umask: number, make: () => A): A => {
  const before = process.umask(umask)
  try {
    return make()
  } finally {
    process.umask(before)
  }
}

/** Setgid and writable for the group: the way to say that a folder is a group's. */
const ofGroup = 0o2020

/** Whether a folder is a group's; undefined if it is no folder. */
const isOfGroup = (path: string): boolean | undefined => {
  const stat = fs.statSync(path, { throwIfNoEntry: false })
  return stat?.isDirectory() === true ? (stat.mode & ofGroup) === ofGroup : undefined
}

/** Makes a folder with those above it; whether it is a group's. */
const makeIn = (path: string): boolean => {
  const found = isOfGroup(path)
  if (found !== undefined) return found
  const above = nodePath.dirname(path)
  const isShared = above !== path && makeIn(above)
  try {
    fs.mkdirSync(path)
    // what is made in a group's folder is the group's too, whatever the umask: mostly that leaves the group nothing to write
    if (isShared) fs.chmodSync(path, fs.statSync(path).mode | 0o020)
    return isShared
  } catch (cause) {
    // another process may have made it meanwhile
    const made = isOfGroup(path)
    if (made === undefined) throw cause
    return made
  }
}

/** As `mkdir -p`. Node's own never ends where a file system says ENOENT to what cannot be made in it, as `/proc` does. */
export const makeFolder = (path: string): void => {
  makeIn(path)
}

/** Gives the owner all permissions on every folder at and below `path`. */
const unlock = (path: string): void => {
  if (!fs.lstatSync(path).isDirectory()) return
  fs.chmodSync(path, 0o700)
  for (const entry of fs.readdirSync(path)) unlock(`${path}${nodePath.sep}${entry}`)
}

/** Removes a folder as it is mostly: nobody adds to it meanwhile, and all in it can be removed. */
const removeFolder = (path: string): void => {
  for (const entry of fs.readdirSync(path, { withFileTypes: true })) {
    const at = `${path}${nodePath.sep}${entry.name}`
    if (entry.isDirectory()) removeFolder(at)
    else fs.unlinkSync(at)
  }
  fs.rmdirSync(path)
}

/**
 * Removes what is there, with all below it. Node's own makes an error for each folder that is not empty, twice the calls, and for what
 * does not exist.
 */
export const remove = (path: string): void => {
  const stat = fs.lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return
  try {
    if (stat.isDirectory()) removeFolder(path)
    else fs.unlinkSync(path)
  } catch {
    removeAnyway(path)
  }
}

const removeAnyway = (path: string): void => {
  try {
    fs.rmSync(path, { recursive: true, force: true })
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === "ENAMETOOLONG") removeDeep(path, cause)
    else if (code === "EACCES") {
      unlock(path)
      fs.rmSync(path, { recursive: true, force: true })
    } else throw cause
  }
}

/** Removes folders so deep that no path leads to the innermost; a program that goes from folder to folder can, and Node cannot. */
const removeDeep = (path: string, cause: unknown): void => {
  childProcess().spawnSync("rm", ["-rf", "--", path], { stdio: "ignore" })
  if (fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined) throw cause
}

/** Sets a file's times; they stay where only its owner may set them. */
export const touch = (path: string, now: Date): void => {
  try {
    fs.utimesSync(path, now, now)
  } catch (cause) {
    if (!["EPERM", "EACCES"].includes((cause as NodeJS.ErrnoException).code ?? "")) throw cause
  }
}
