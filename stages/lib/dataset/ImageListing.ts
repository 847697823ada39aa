/**
 * The listing of a data root: its class folders, and every file below them, at any depth.
 *
 * Nothing that counts is skipped in silence: hidden files, links that are broken or leave the root, and images outside
 * any class folder come back as `setAside` with the reason. What systems leave behind (`.DS_Store`) does not count, and
 * is not told. Other files in the root itself (a README, a licence) and its hidden folders are not data and are not
 * listed. Links within the root are followed once.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { Pipeline, Stage } from "../../../core/index.ts"
import type { SetAside } from "../../../schemas/Split.ts"

/** A file that may be an image. `path` is relative to the root, with forward slashes. */
export interface ListedFile {
  readonly path: string
  readonly class: string
}

export interface ImageListing {
  /** Class folders, sorted; one without any file as well. */
  readonly classes: ReadonlyArray<string>
  readonly files: ReadonlyArray<ListedFile>
  readonly setAside: ReadonlyArray<SetAside>
}

const imageName = /\.(jpe?g|png|gif|webp|avif|heic|heif|tiff?|bmp|svg|jxl|jp2)$/iu

type Kind = "file" | "empty" | "folder" | "leaves" | "broken" | "other"

const outOf = (paths: Path.Path, root: string, path: string): boolean => {
  const relative = paths.relative(root, path)
  return relative === ".." || relative.startsWith(`..${paths.sep}`) || paths.isAbsolute(relative)
}

/** Classifies one directory entry; `real` is the folder's real path, by which a cycle of links is found. */
const classify = Effect.fnUntraced(function* (realRoot: string, path: string) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const isLink = yield* fs.readLink(path).pipe(
    Effect.as(true),
    Effect.catch(() => Effect.succeed(false))
  )
  const real = isLink ? yield* fs.realPath(path).pipe(Effect.catch(() => Effect.succeed(""))) : path
  if (real === "") return { kind: "broken" as Kind, real }
  if (isLink && outOf(paths, realRoot, real)) return { kind: "leaves" as Kind, real }
  const info = yield* fs.stat(real).pipe(Effect.catch(() => Effect.succeed(undefined)))
  if (info === undefined) return { kind: "broken" as Kind, real }
  const file: Kind = Number(info.size) === 0 ? "empty" : "file"
  const kind: Kind = info.type === "File" ? file : info.type === "Directory" ? "folder" : "other"
  return { kind, real }
})

const reasons: Record<Exclude<Kind, "file" | "folder">, string> = {
  empty: "empty file",
  leaves: "symbolic link that leaves the data folder",
  broken: "broken symbolic link",
  other: "neither a file nor a folder"
}

const unreadable = (path: string) => (cause: { readonly message: string }) =>
  new Stage.StageFailure({
    reason: `A folder of the data cannot be listed: ${path}`,
    expected: "a folder that this user may read",
    actual: cause.message,
    badInput: true
  })

interface State {
  readonly root: string
  readonly realRoot: string
  readonly visited: Set<string>
  readonly files: Array<ListedFile>
  readonly setAside: Array<SetAside>
}

/** Everything below one folder of a class. */
const listFolder: (
  state: State,
  className: string,
  relative: string
) => Effect.Effect<void, Stage.StageFailure, FileSystem.FileSystem | Path.Path> = Effect.fnUntraced(
  function* (state, className, relative) {
    const fs = yield* FileSystem.FileSystem
    const paths = yield* Path.Path
    const folder = paths.join(state.root, ...relative.split("/"))
    const names = yield* fs.readDirectory(folder).pipe(Effect.mapError(unreadable(relative)))
    const folders: Array<string> = []
    yield* Effect.forEach(
      names,
      Effect.fnUntraced(function* (name) {
        const path = `${relative}/${name}`
        if (Pipeline.isLeftBehind(name)) return
        const setAside = (reason: string): void => void state.setAside.push({ path, class: className, reason })
        if (name.startsWith(".")) return setAside("hidden file")
        const { kind, real } = yield* classify(state.realRoot, paths.join(folder, name))
        if (kind === "file") state.files.push({ path, class: className })
        else if (kind !== "folder") setAside(reasons[kind])
        else if (state.visited.has(real)) setAside("folder that another link leads to already")
        else {
          state.visited.add(real)
          folders.push(path)
        }
      }),
      { concurrency: 32, discard: true }
    )
    for (const path of folders.sort()) yield* listFolder(state, className, path)
  }
)

/** By UTF-16 code units. */
export const byPath = (a: { readonly path: string }, b: { readonly path: string }): number => (a.path < b.path ? -1 : 1)

/** Lists the data root. `classLimit` takes only the first classes by name; 0 takes all. */
export const listImages = Effect.fnUntraced(function* (root: string, classLimit: number) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const realRoot = yield* fs.realPath(root).pipe(Effect.mapError(unreadable(root)))
  const state: State = { root: realRoot, realRoot, visited: new Set(), files: [], setAside: [] }
  const names = yield* fs.readDirectory(realRoot).pipe(Effect.mapError(unreadable(root)))
  const classes: Array<string> = []
  for (const name of names.sort()) {
    if (name.startsWith(".") || Pipeline.isLeftBehind(name)) continue
    const { kind, real } = yield* classify(realRoot, paths.join(realRoot, name))
    if (kind === "folder") {
      if (classLimit > 0 && classes.length === classLimit) continue
      classes.push(name)
      state.visited.add(real)
      yield* listFolder(state, name, name)
    } else if (kind !== "file" && kind !== "empty")
      state.setAside.push({ path: name, class: "", reason: reasons[kind] })
    else if (imageName.test(name)) {
      state.setAside.push({ path: name, class: "", reason: "outside any class folder" })
    }
  }
  return { classes, files: state.files.sort(byPath), setAside: state.setAside.sort(byPath) } satisfies ImageListing
})
