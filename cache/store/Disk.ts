/**
 * Disk: every call that the framework makes to a file system goes through this service.
 *
 * A narrow interface over `node:fs`, so that tests can inject faults with another layer (see `test/lib/FaultyDisk.ts`).
 * Methods fail with a `DiskError` that carries the system's code, and never retry. Small operations are synchronous: a
 * pipeline that is up to date does thousands of `lstat`s and nothing else, and a synchronous one costs a tenth of an
 * asynchronous one. Large files are hashed and copied in pieces, so that the event loop is not blocked.
 */
import * as fs from "node:fs"
import * as nodePath from "node:path"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Digest from "../identity/Digest.ts"
import * as Calls from "./disk/Calls.ts"
import { childProcess } from "./disk/Late.ts"
import * as Pieces from "./disk/Pieces.ts"

/** A call to the file system failed. `code` is the system's, such as ENOSPC. */
export class DiskError extends Data.TaggedError("DiskError")<{
  readonly operation: string
  readonly path: string
  readonly code: string
  readonly reason: string
}> {
  // names and kinds of files are the user's, whatever else is wrong is the machine's
  readonly fault = ["EILSEQ", "EFTYPE"].includes(this.code) ? "input" : "stage"

  override get message(): string {
    const isPermission = this.code === "EACCES" || this.code === "EPERM"
    // also of `/proc`, where nobody can make anything
    const isNoPlace = this.code === "ENOENT" && this.operation === "make the folder"
    const advised = isNoPlace ? ". Choose another folder with --store or --outputs" : (advice[this.code] ?? "")
    const then = isPermission && looking.has(this.operation) ? ". Check its permissions" : advised
    return `could not ${this.operation} ${this.path}: ${this.reason}${then}`
  }
}

/** Operations that another folder for the store or outputs would not help. */
const looking: ReadonlySet<string> = new Set(["inspect", "list", "read", "read the link", "resolve"])

const advice: Readonly<Record<string, string>> = {
  ENOSPC: ". The disk is full: free some space and run again; nothing finished is lost",
  EACCES: ". Check the permissions, or choose another folder with --store or --outputs",
  EPERM: ". Check the permissions, or choose another folder with --store or --outputs",
  EROFS: ". The file system is read-only: choose another folder with --store or --outputs",
  EMFILE: ". Too many files are open: raise the limit with `ulimit -n`"
}

export type EntryKind = "file" | "folder" | "link" | "other"

/** A kind in words. */
export const kindInWords: Readonly<Record<EntryKind, string>> = {
  file: "a file",
  folder: "a folder",
  link: "a link",
  other: "a pipe, a socket or a device"
}

/**
 * The part of a file's metadata that shows whether the file is the same as before. Times are in milliseconds since
 * 1970, exact to a quarter of a microsecond: finer than any clock's tick, and to make a bigint of each would take
 * longer than the call.
 */
export interface Stat {
  readonly kind: EntryKind
  readonly sizeBytes: number
  readonly mode: number
  readonly mtimeMs: number
  readonly ctimeMs: number
  readonly inode: number
  /** The device of its file system. */
  readonly device: number
}

export interface Entry {
  readonly name: string
  readonly kind: EntryKind
}

/** An entry with the stat that it had when it was listed; only files and folders have one. */
export interface InspectedEntry extends Entry {
  readonly stat: Stat | undefined
}

export type Hashed = Pieces.Hashed

/**
 * The disk within one synchronous call. Methods return undefined for what does not exist; any other problem is thrown
 * and becomes the call's error.
 */
export interface SyncDisk {
  /** Follows links. */
  readonly stat: (path: string) => Stat | undefined
  readonly text: (path: string) => string | undefined
  /** The same of a record in the store. */
  readonly record: (path: string) => string | undefined
  /** As `listFiles`. */
  readonly files: (path: string) => ReadonlyArray<InspectedEntry> | undefined
  /** The names in a folder. */
  readonly names: (path: string) => ReadonlyArray<string> | undefined
  /** The target of a link. */
  readonly target: (path: string) => string | undefined
}

type Op<A> = Effect.Effect<A, DiskError>

export class Disk extends Context.Service<
  Disk,
  {
    readonly lstat: (path: string) => Op<Stat>
    /** The same, following links. */
    readonly stat: (path: string) => Op<Stat>
    /** `stat` of many paths in one call; undefined for those that do not exist. */
    readonly stats: (paths: ReadonlyArray<string>) => Op<ReadonlyArray<Stat | undefined>>
    /** Whether an entry exists; a dangling link does. */
    readonly exists: (path: string) => Op<boolean>
    /** Entries of a folder, sorted by name. */
    readonly list: (path: string) => Op<ReadonlyArray<Entry>>
    /** The same with the stat of each file and folder: one call for thousands of them. */
    readonly listFiles: (path: string) => Op<ReadonlyArray<InspectedEntry>>
    /**
     * Answers one question about `path` in one call, however many stats it takes: an effect for each stat takes longer
     * than the stat.
     */
    readonly synchronously: <A>(path: string, ask: (sync: SyncDisk) => A) => Op<A>
    readonly realPath: (path: string) => Op<string>
    readonly read: (path: string) => Op<Uint8Array>
    readonly readText: (path: string) => Op<string>
    readonly readLink: (path: string) => Op<string>
    /** Creates a new file (an existing one is an error), writes it whole. */
    readonly create: (path: string, content: Uint8Array | string) => Op<void>
    /** Writes `pieces` one after the other, durably and without blocking the event loop; replaces an existing file. */
    readonly writePieces: (path: string, pieces: ReadonlyArray<Uint8Array>) => Op<void>
    /** The bytes of a file, piece by piece; what goes wrong is thrown on the way. */
    readonly pieces: (path: string) => AsyncIterable<Uint8Array>
    /**
     * Writes what comes to a new file (an existing one is an error), as it comes, and gives its digest. It is not durable yet. An
     * interrupted fiber does not wait for the next piece.
     */
    readonly receive: (path: string, pieces: AsyncIterable<Uint8Array>) => Op<Hashed>
    /** Makes a file's content durable. */
    readonly syncFile: (path: string) => Op<void>
    /**
     * Has each later write to these files change their times, also one through a mapping that was written to before. Such
     * a write changes nothing until the page was written to the disk (measured on ext4).
     */
    readonly settle: (files: ReadonlyArray<readonly [path: string, device: number]>) => Op<void>
    /** Makes a folder's entries durable. */
    readonly syncFolder: (path: string) => Op<void>
    readonly rename: (from: string, to: string) => Op<void>
    readonly link: (existing: string, path: string) => Op<void>
    readonly symlink: (target: string, path: string) => Op<void>
    readonly setMode: (path: string, mode: number) => Op<void>
    /** Sets the mtime of the files that exist to now, but of those that are another user's. */
    readonly touch: (paths: ReadonlyArray<string>) => Op<void>
    readonly makeFolder: (path: string, umask?: number) => Op<void>
    /**
     * Removes a file or a folder with all below it, also from folders without owner permissions; what does not exist is
     * no error.
     */
    readonly remove: (path: string) => Op<void>
    /** A new file with the same bytes, sharing blocks where the file system can. */
    readonly copy: (from: string, to: string) => Op<void>
    readonly hash: (path: string) => Op<Hashed>
  }
>()("op-pipe/Disk") {
  static readonly layer = Layer.sync(Disk, () => nodeDisk)
}

const isAbsence = (code: unknown): boolean => code === "ENOENT" || code === "ENOTDIR"

/** Turns the error of what does not exist into `None`. */
export const orAbsent = <A, R>(self: Effect.Effect<A, DiskError, R>): Effect.Effect<Option.Option<A>, DiskError, R> =>
  self.pipe(
    Effect.map(Option.some),
    Effect.catchIf(
      ({ code }) => isAbsence(code),
      () => Effect.succeed(Option.none<A>())
    )
  )

/** Why a call to the file system failed, in the system's words, without Node's. */
export const reasonOf = (cause: unknown): string =>
  cause instanceof Error ? cause.message.replace(/^[A-Z0-9]+: /, "").replace(/, \w+(?: '.*)?$/s, "") : String(cause)

const toError =
  (operation: string, path: string) =>
  (cause: unknown): DiskError => {
    const code = (cause as { readonly code?: unknown }).code
    return new DiskError({
      operation,
      path,
      code: typeof code === "string" ? code : "UNKNOWN",
      reason: reasonOf(cause)
    })
  }

const attempt = <A>(operation: string, path: string, evaluate: () => A): Op<A> =>
  Effect.try({ try: evaluate, catch: toError(operation, path) })

const kindOf = (entry: fs.Dirent): EntryKind =>
  entry.isFile() ? "file" : entry.isDirectory() ? "folder" : entry.isSymbolicLink() ? "link" : "other"

const kindOfMode = (mode: number): EntryKind => {
  switch (mode & fs.constants.S_IFMT) {
    case fs.constants.S_IFREG:
      return "file"
    case fs.constants.S_IFDIR:
      return "folder"
    case fs.constants.S_IFLNK:
      return "link"
    default:
      return "other"
  }
}

/**
 * A change that runs outside of the event loop. An interrupted fiber waits for its end: the change cannot be cancelled,
 * and would otherwise happen after locks are released, in the midst of other writes.
 */
const whole = <A>(change: Op<A>): Op<A> => Effect.uninterruptible(change)

/** Asynchronous: the disk takes its time, and other steps go on meanwhile. */
const sync = (path: string): Op<void> =>
  whole(
    Effect.callback<void, DiskError>((resume) => {
      const done = (cause: Error | null): void =>
        resume(cause === null ? Effect.void : Effect.fail(toError("sync", path)(cause)))
      fs.open(path, "r", (cause, file) => {
        if (cause !== null) return done(cause)
        fs.fsync(file, (failed) => fs.close(file, (alsoFailed) => done(failed ?? alsoFailed ?? null)))
      })
    })
  )

/** More files than this are synced with their whole file system: one at a time takes a millisecond each. */
const mostSynced = 32

/** Syncs the file system of a file, by a program: Node has no call for it. */
const syncAll = (path: string): Op<boolean> =>
  whole(
    Effect.callback((resume) => {
      childProcess().execFile("sync", ["-f", path], (cause) => resume(Effect.succeed(cause === null)))
    })
  )

const settle: Disk["Service"]["settle"] = Effect.fnUntraced(function* (files) {
  const devices = new Map(files.map(([path, device]) => [device, path]))
  if (files.length > mostSynced) {
    const synced = yield* Effect.forEach(devices.values(), syncAll)
    if (synced.every(Boolean)) return
  }
  // what is gone meanwhile, or cannot be read, is another's error
  yield* Effect.forEach(files, ([path]) => Effect.ignore(sync(path)), { concurrency: 16, discard: true })
})

/** Files up to this size are read in one piece. */
const smallBytes = 4 * 1024 * 1024

const toStat = ({ mode, size, mtimeMs, ctimeMs, ino, dev }: fs.Stats): Stat => ({
  kind: kindOfMode(mode),
  sizeBytes: size,
  mode: mode & 0o777,
  mtimeMs,
  ctimeMs,
  inode: ino,
  device: dev
})

/** Node puts this for bytes that are not UTF-8; under such a name, nothing is found. */
const replacement = "\ufffd"

const refuseUnreadable = (path: string, name: string): void => {
  if (!name.includes(replacement)) return
  if (fs.lstatSync(`${path}${nodePath.sep}${name}`, { throwIfNoEntry: false }) !== undefined) return
  const reason = `expected entry names in UTF-8, but found ${JSON.stringify(name)}. Rename the entry (mv, convmv), or move it elsewhere`
  throw Object.assign(new Error(reason), { code: "EILSEQ" })
}

const inOrder = <A extends Entry>(entries: Array<A>): Array<A> => entries.sort((a, b) => (a.name < b.name ? -1 : 1))

const list = (path: string): Array<Entry> => {
  const entries = fs
    .readdirSync(path, { withFileTypes: true })
    .map((entry) => ({ name: entry.name, kind: kindOf(entry) }))
  for (const { name } of entries) refuseUnreadable(path, name)
  return inOrder(entries)
}

const listFiles = (path: string): Array<InspectedEntry> =>
  inOrder(
    fs.readdirSync(path).map((name) => {
      refuseUnreadable(path, name)
      const stat = toStat(fs.lstatSync(`${path}${nodePath.sep}${name}`))
      return { name, kind: stat.kind, stat: stat.kind === "file" || stat.kind === "folder" ? stat : undefined }
    })
  )

const ifThere = <A>(evaluate: () => A): A | undefined => {
  try {
    return evaluate()
  } catch (cause) {
    if (isAbsence((cause as NodeJS.ErrnoException).code)) return undefined
    throw cause
  }
}

const statIfThere = (path: string): Stat | undefined => {
  const stat = fs.statSync(path, { throwIfNoEntry: false })
  return stat === undefined ? undefined : toStat(stat)
}

const isThere = (path: string): boolean => fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined

const syncDisk: SyncDisk = {
  stat: statIfThere,
  text: (path) => ifThere(() => Calls.readText(path)),
  record: (path) => ifThere(() => Calls.readRecord(path)),
  files: (path) => ifThere(() => listFiles(path)),
  names: (path) => ifThere(() => fs.readdirSync(path)),
  target: (path) => ifThere(() => fs.readlinkSync(path))
}

const nodeDisk: Disk["Service"] = {
  lstat: (path) => attempt("inspect", path, () => toStat(fs.lstatSync(path))),
  stat: (path) => attempt("inspect", path, () => toStat(fs.statSync(path))),
  stats: (paths) => attempt("inspect", paths[0] ?? "", () => paths.map(statIfThere)),
  exists: (path) => attempt("inspect", path, () => isThere(path)),
  list: (path) => attempt("list", path, () => list(path)),
  listFiles: (path) => attempt("list", path, () => listFiles(path)),
  synchronously: (path, ask) => attempt("inspect", path, () => ask(syncDisk)),
  realPath: (path) => attempt("resolve", path, () => fs.realpathSync.native(path)),
  read: (path) => attempt("read", path, () => Calls.read(path)),
  readText: (path) => attempt("read", path, () => Calls.readText(path)),
  readLink: (path) => attempt("read the link", path, () => fs.readlinkSync(path)),
  create: (path, content) => attempt("write", path, () => fs.writeFileSync(path, content, { flag: "wx" })),
  writePieces: (path, pieces) =>
    whole(Effect.tryPromise({ try: () => Pieces.write(path, pieces), catch: toError("write", path) })),
  pieces: (path) => fs.createReadStream(path, { highWaterMark: Pieces.batchBytes }),
  receive: (path, pieces) =>
    Effect.tryPromise({ try: (signal) => Pieces.receive(path, pieces, signal), catch: toError("write", path) }),
  syncFile: sync,
  syncFolder: sync,
  settle,
  rename: (from, to) => attempt("rename to", to, () => fs.renameSync(from, to)),
  link: (existing, path) => attempt("link", path, () => fs.linkSync(existing, path)),
  symlink: (target, path) => attempt("link", path, () => fs.symlinkSync(target, path)),
  setMode: (path, mode) => attempt("change the mode of", path, () => fs.chmodSync(path, mode)),
  touch: (paths) =>
    attempt("touch", paths[0] ?? "", () => {
      const now = new Date()
      for (const path of paths) ifThere(() => Calls.touch(path, now))
    }),
  makeFolder: (path, umask) =>
    attempt("make the folder", path, () =>
      umask === undefined ? Calls.makeFolder(path) : Calls.byUmask(umask, () => Calls.makeFolder(path))
    ),
  remove: (path) => attempt("remove", path, () => Calls.remove(path)),
  copy: (from, to) =>
    whole(
      Effect.tryPromise({
        try: () => fs.promises.copyFile(from, to, fs.constants.COPYFILE_EXCL | fs.constants.COPYFILE_FICLONE),
        catch: toError("copy to", to)
      })
    ),
  hash: (path) =>
    Effect.suspend(() =>
      attempt("read", path, () => {
        return (Calls.refuseOdd(path) ?? fs.statSync(path)).size
      }).pipe(
        Effect.flatMap((size) =>
          size <= smallBytes
            ? attempt("read", path, () => {
                const bytes = fs.readFileSync(path)
                return { digest: Digest.ofBytes(bytes), sizeBytes: bytes.length }
              })
            : Effect.tryPromise({ try: () => Pieces.hash(path), catch: toError("read", path) })
        )
      )
    )
}

/** The path of `name` below `folder`; `name` with forward slashes. */
export const join = (folder: string, name: string): string => nodePath.join(folder, ...name.split("/"))
