/** Folder: a shared cache in a folder: on NFS, sshfs, a mounted bucket, or to be carried elsewhere by rsync. */
import { randomUUID } from "node:crypto"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Disk, type DiskError, orAbsent } from "../../store/Disk.ts"
import { type Engine, RemoteError } from "./Engine.ts"

/** No one else's name, whatever host or container it is in. */
const temporaryName = (): string => `.new-${randomUUID()}`

const asRemoteError = ({ message }: DiskError): RemoteError => new RemoteError({ reason: message, isPassing: false })

export const make = (address: string, root: string): Effect.Effect<Engine, never, Disk> =>
  Effect.map(Disk, (disk) => {
    /** A folder that is not mounted has a mount point in its place, or nothing. */
    const check = Effect.gen(function* () {
      const stat = yield* Effect.mapError(orAbsent(disk.stat(root)), asRemoteError)
      if (Option.isSome(stat) && stat.value.kind === "folder") return
      const reason = `expected the folder ${root}, but there is none. Mount it, or make it (mkdir -p)`
      return yield* new RemoteError({ reason, isPassing: false })
    })
    const placeOf = (kind: string, name: string): string => path.join(root, kind, name)
    const has: Engine["has"] = (kind, name) => Effect.mapError(disk.exists(placeOf(kind, name)), asRemoteError)
    const fetch: Engine["fetch"] = (kind, name, take) =>
      Effect.gen(function* () {
        const file = placeOf(kind, name)
        const stat = yield* Effect.mapError(orAbsent(disk.stat(file)), asRemoteError)
        if (Option.isNone(stat) || stat.value.kind !== "file") return yield* Effect.as(check, Option.none())
        return Option.some(yield* take(disk.pieces(file)))
      })
    const write: Engine["put"] = (kind, name, body) =>
      Effect.gen(function* () {
        const [to, temporary] = [placeOf(kind, name), placeOf(kind, temporaryName())]
        yield* disk.makeFolder(path.dirname(to))
        const written = body instanceof Uint8Array ? disk.create(temporary, body) : disk.receive(temporary, body.read())
        yield* written.pipe(
          Effect.andThen(disk.syncFile(temporary)),
          Effect.andThen(disk.rename(temporary, to)),
          Effect.onError(() => Effect.ignore(disk.remove(temporary)))
        )
      }).pipe(Effect.mapError(asRemoteError))
    const put: Engine["put"] = (...asked) => Effect.andThen(check, write(...asked))
    return { address, fetch, has, put }
  })
