/**
 * A disk that breaks on purpose: it crashes at the n-th call that changes anything, or fails calls with a code.
 *
 * Two models of a crash. *Killed*: every call so far has taken effect, no later one does. *Unsynced lost*: besides, the
 * power went, so that content that was not fsynced is gone (the file is empty or torn) and names whose folder was not
 * fsynced since are as they were before.
 */
import { copyFileSync, existsSync, lstatSync, mkdirSync, renameSync, rmSync, truncateSync } from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Disk, DiskError } from "../../cache/store/Disk.ts"

export type CrashModel = "killed" | "unsynced lost"

/** The defect that ends a run at its crash point. */
export class Crash extends Error {}

export interface Faults {
  /** Crash at this call, counted from 1. */
  readonly crashAt?: number
  readonly model?: CrashModel
  /** The code that a call fails with, if it shall. */
  readonly fail?: (call: number, operation: string, path: string) => string | undefined
  /** Bugs planted in the disk: calls that do nothing. */
  readonly ignore?: ReadonlySet<string>
}

export interface FaultyDisk {
  readonly layer: Layer.Layer<Disk>
  /** How many changing calls there were. */
  readonly calls: () => number
  /** Each changing call so far: `rename /a/b`. */
  readonly log: ReadonlyArray<string>
}

interface Rename {
  readonly from: string
  readonly to: string
  /** What stood at `to` before. */
  readonly overwritten: string | undefined
}

export const make = (scratch: string, faults: Faults): FaultyDisk => {
  const log: Array<string> = []
  let dead = false
  let inFlight = 0
  let backups = 0
  const unsyncedFiles = new Set<string>()
  const syncedFiles = new Set<string>()
  const unsyncedNames: Array<Rename> = []

  const moveKeys = (from: string, to: string): void => {
    for (const file of Array.from(unsyncedFiles)) {
      if (file === from || file.startsWith(from + path.sep)) {
        unsyncedFiles.delete(file)
        unsyncedFiles.add(to + file.slice(from.length))
      }
    }
  }

  const losePower = (): void => {
    for (const { from, to, overwritten } of unsyncedNames.reverse()) {
      if (!existsSync(to)) continue
      moveKeys(to, from)
      mkdirSync(path.dirname(from), { recursive: true })
      renameSync(to, from)
      if (overwritten !== undefined) renameSync(overwritten, to)
    }
    let tear = false
    for (const file of unsyncedFiles) {
      if (!existsSync(file) || !lstatSync(file).isFile()) continue
      truncateSync(file, tear ? lstatSync(file).size >> 1 : 0)
      tear = !tear
    }
  }

  /** Calls of other steps that are under way take effect too: nothing lands on the disk of a process that is no more. */
  const crash = Effect.gen(function* () {
    const message = `crash at call ${log.length}`
    dead = true
    while (inFlight > 0) yield* Effect.sleep(1)
    if (faults.model === "unsynced lost") losePower()
    return yield* Effect.die(new Crash(message))
  })

  const counted = <A>(effect: Effect.Effect<A, DiskError>): Effect.Effect<A, DiskError> =>
    Effect.acquireUseRelease(
      Effect.sync(() => inFlight++),
      () => effect,
      () => Effect.sync(() => inFlight--)
    )

  const changing = <A>(
    operation: string,
    at: string,
    effect: Effect.Effect<A, DiskError>
  ): Effect.Effect<A, DiskError> =>
    Effect.suspend(() => {
      if (dead) return Effect.die(new Crash("after the crash"))
      log.push(`${operation} ${at}`)
      if (log.length === faults.crashAt) return crash
      const code = faults.fail?.(log.length, operation, at)
      if (code !== undefined)
        return Effect.fail(new DiskError({ operation, path: at, code, reason: `planted ${code}` }))
      if (faults.ignore?.has(operation)) return Effect.void as unknown as Effect.Effect<A, DiskError>
      return counted(effect)
    })

  const noteRename = (from: string, to: string): void => {
    let overwritten: string | undefined
    if (faults.model === "unsynced lost" && existsSync(to) && lstatSync(to).isFile()) {
      mkdirSync(scratch, { recursive: true })
      overwritten = path.join(scratch, String(backups++))
      copyFileSync(to, overwritten)
    }
    unsyncedNames.push({ from, to, overwritten })
    // What a stage wrote came past this disk; it is unsynced until it is seen to be synced.
    if (!syncedFiles.has(from) && lstatSync(from).isFile()) unsyncedFiles.add(from)
    moveKeys(from, to)
  }

  const synced = (folder: string): void => {
    for (let index = unsyncedNames.length - 1; index >= 0; index--) {
      if (path.dirname(unsyncedNames[index]!.to) === folder) unsyncedNames.splice(index, 1)
    }
  }

  const layer = Layer.effect(
    Disk,
    Effect.map(Disk, (disk) => {
      const alive = <A>(effect: Effect.Effect<A, DiskError>): Effect.Effect<A, DiskError> =>
        Effect.suspend(() => (dead ? Effect.die(new Crash("after the crash")) : effect))
      const service: Disk["Service"] = {
        ...disk,
        lstat: (at) => alive(disk.lstat(at)),
        create: (at, content) =>
          changing(
            "create",
            at,
            Effect.tap(disk.create(at, content), () => Effect.sync(() => unsyncedFiles.add(at)))
          ),
        receive: (at, pieces) =>
          changing(
            "receive",
            at,
            Effect.tap(disk.receive(at, pieces), () => Effect.sync(() => unsyncedFiles.add(at)))
          ),
        copy: (from, to) =>
          changing(
            "copy",
            to,
            Effect.tap(disk.copy(from, to), () => Effect.sync(() => unsyncedFiles.add(to)))
          ),
        syncFile: (at) =>
          changing(
            "syncFile",
            at,
            Effect.tap(disk.syncFile(at), () =>
              Effect.sync(() => {
                unsyncedFiles.delete(at)
                syncedFiles.add(at)
              })
            )
          ),
        syncFolder: (at) =>
          changing(
            "syncFolder",
            at,
            Effect.tap(disk.syncFolder(at), () => Effect.sync(() => synced(at)))
          ),
        rename: (from, to) =>
          changing(
            "rename",
            to,
            Effect.suspend(() => {
              if (existsSync(from)) noteRename(from, to)
              return disk.rename(from, to)
            })
          ),
        link: (existing, at) => changing("link", at, disk.link(existing, at)),
        symlink: (target, at) => changing("symlink", at, disk.symlink(target, at)),
        setMode: (at, mode) => changing("setMode", at, disk.setMode(at, mode)),
        touch: (paths) => changing("touch", paths[0] ?? "", disk.touch(paths)),
        makeFolder: (at, umask) => changing("makeFolder", at, disk.makeFolder(at, umask)),
        remove: (at) =>
          changing(
            "remove",
            at,
            Effect.suspend(() => {
              for (const file of Array.from(unsyncedFiles))
                if (file === at || file.startsWith(at + path.sep)) unsyncedFiles.delete(file)
              return disk.remove(at)
            })
          )
      }
      return Disk.of(service)
    })
  ).pipe(Layer.provide(Disk.layer))
  return { layer, calls: () => log.length, log }
}

/** Removes what a simulated loss of power kept. */
export const cleanUp = (scratch: string): void => rmSync(scratch, { recursive: true, force: true })
