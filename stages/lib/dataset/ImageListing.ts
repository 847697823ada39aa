/**
 * The listing of a data root: its class folders, and every file below them, at any depth.
 *
 * Folders `train`, `val` and `test` that hold the class folders are a split that is given: Kaggle, Keras, Hugging Face and
 * ultralytics lay sets out so. A folder of that name among others that are not is a class. Where only one of them holds class
 * folders (a test set without labels), its classes are the set, and nothing is given.
 *
 * Nothing that counts is skipped in silence: hidden files, hidden folders with images, broken links, and images outside any
 * class folder come back as `setAside` with the reason. What systems leave behind (`.DS_Store`) does not count, and is not
 * told. Other files in the root itself (a README, a licence) are not data and are not listed. Links are followed, wherever they
 * lead; a folder that several links lead to is listed once.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { Pipeline, Stage } from "../../../core/index.ts"
import { type SplitName, splitNames } from "../../../schemas/Names.ts"
import type { SetAside } from "../../../schemas/Split.ts"
import { imageName } from "../images/OpenImage.ts"

/** A file that may be an image. `path` is relative to the root, with forward slashes. */
export interface ListedFile {
  readonly path: string
  readonly class: string
  /** The split that its folder gives it. */
  readonly given?: SplitName
}

export interface ImageListing {
  /** Class folders, sorted; one without any file as well. */
  readonly classes: ReadonlyArray<string>
  readonly files: ReadonlyArray<ListedFile>
  readonly setAside: ReadonlyArray<SetAside>
  /** Class folders that are links. */
  readonly linked: ReadonlyArray<string>
  /** Splits that are given by folders. */
  readonly given: ReadonlyArray<SplitName>
  /** What else lies in the root: of use where it is no set. */
  readonly root: {
    readonly images: number
    readonly tables: ReadonlyArray<string>
    readonly archives: ReadonlyArray<string>
  }
}

const tableName = /\.(csv|tsv|json|jsonl|xlsx?|parquet)$/iu
const archiveName = /\.(zip|tar|t?gz|bz2|xz|zst|7z|rar)$/iu

const splitFolders: ReadonlyMap<string, SplitName> = new Map([
  ["train", "train"],
  ["training", "train"],
  ["val", "validation"],
  ["valid", "validation"],
  ["validation", "validation"],
  ["dev", "validation"],
  ["test", "test"],
  ["testing", "test"]
])

/** By a word of the name: `train`, `training_set`, `seg_train`, `train2017`. */
const splitOf = (folder: string): SplitName | undefined =>
  folder
    .toLowerCase()
    .split(/[^a-z]+/u)
    .map((word) => splitFolders.get(word))
    .find((split) => split !== undefined)

type Kind = "file" | "empty" | "folder" | "broken" | "other"

/** Classifies one directory entry; `real` is the folder's real path, by which a cycle of links is found. */
const classify = Effect.fnUntraced(function* (path: string) {
  const fs = yield* FileSystem.FileSystem
  const isLink = yield* fs.readLink(path).pipe(
    Effect.as(true),
    Effect.catch(() => Effect.succeed(false))
  )
  const real = isLink ? yield* fs.realPath(path).pipe(Effect.catch(() => Effect.succeed(""))) : path
  if (real === "") return { kind: "broken" as Kind, real }
  const info = yield* fs.stat(real).pipe(Effect.catch(() => Effect.succeed(undefined)))
  if (info === undefined) return { kind: "broken" as Kind, real }
  const file: Kind = Number(info.size) === 0 ? "empty" : "file"
  const kind: Kind = info.type === "File" ? file : info.type === "Directory" ? "folder" : "other"
  return { kind, real }
})

const reasons: Record<Exclude<Kind, "file" | "folder">, string> = {
  empty: "empty file",
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
  readonly visited: Set<string>
  readonly files: Array<ListedFile>
  readonly setAside: Array<SetAside>
}

/** Where a folder of a class belongs. */
interface Belongs {
  readonly class: string
  readonly given?: SplitName
}

/** Everything below one folder of a class. */
const listFolder: (
  state: State,
  belongs: Belongs,
  relative: string
) => Effect.Effect<void, Stage.StageFailure, FileSystem.FileSystem | Path.Path> = Effect.fnUntraced(
  function* (state, belongs, relative) {
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
        const setAside = (reason: string): void => void state.setAside.push({ path, class: belongs.class, reason })
        if (name.startsWith(".")) return setAside("hidden file")
        const { kind, real } = yield* classify(paths.join(folder, name))
        if (kind === "file") state.files.push({ path, ...belongs })
        else if (kind !== "folder") setAside(reasons[kind])
        else if (state.visited.has(real)) setAside("folder that another link leads to already")
        else {
          state.visited.add(real)
          folders.push(path)
        }
      }),
      { concurrency: 32, discard: true }
    )
    for (const path of folders.sort()) yield* listFolder(state, belongs, path)
  }
)

/** By UTF-16 code units. */
export const byPath = (a: { readonly path: string }, b: { readonly path: string }): number => (a.path < b.path ? -1 : 1)

/** A folder of the root. */
interface Folder {
  readonly name: string
  readonly real: string
}

/** A hidden folder with images may have been meant as a class. */
const setAsideHidden = Effect.fnUntraced(function* (state: State, relative: string) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const names = yield* fs
    .readDirectory(paths.join(state.root, relative))
    .pipe(Effect.catch(() => Effect.succeed<ReadonlyArray<string>>([])))
  if (names.some((name) => imageName.test(name))) {
    state.setAside.push({ path: relative, class: "", reason: "hidden folder: its name begins with a dot" })
  }
})

const outside = "outside any class folder"

/** An archive from macOS has the same name in other code points: "é" as a letter and an accent. */
const classOf = (folder: string): string => folder.normalize("NFC")

/** The class folders below a folder of a split that is given. Images right in it belong to no class. */
const foldersBelow = Effect.fnUntraced(function* (state: State, split: string) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const found: Array<{ readonly relative: string; readonly real: string; readonly belongs: Belongs }> = []
  const names = yield* fs.readDirectory(paths.join(state.root, split)).pipe(Effect.mapError(unreadable(split)))
  for (const name of names.sort()) {
    const relative = `${split}/${name}`
    if (Pipeline.isLeftBehind(name)) continue
    if (name.startsWith(".")) yield* setAsideHidden(state, relative)
    else {
      const { kind, real } = yield* classify(paths.join(state.root, relative))
      if (kind === "folder") found.push({ relative, real, belongs: { class: classOf(name), given: splitOf(split)! } })
      else if (imageName.test(name)) state.setAside.push({ path: relative, class: "", reason: outside })
    }
  }
  return found
})

/** The class folders of the root, where they are told by their own names, or below the folders of a split that is given. */
const classFolders = Effect.fnUntraced(function* (state: State, folders: ReadonlyArray<Folder>) {
  const splits = new Set(folders.map(({ name }) => splitOf(name)))
  if (splits.size < 2 || splits.has(undefined) || !splits.has("train")) {
    return folders.map(({ name, real }) => ({ relative: name, real, belongs: { class: classOf(name) } as Belongs }))
  }
  const below = (yield* Effect.forEach(folders, ({ name }) => foldersBelow(state, name))).flat()
  if (new Set(below.map(({ belongs }) => belongs.given)).size > 1) return below
  return below.map((one) => ({ ...one, belongs: { class: one.belongs.class } as Belongs }))
})

/** Lists the data root. `classLimit` takes only the first classes by name; 0 takes all. */
export const listImages = Effect.fnUntraced(function* (root: string, classLimit: number) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const realRoot = yield* fs.realPath(root).pipe(Effect.mapError(unreadable(root)))
  const state: State = { root: realRoot, visited: new Set([realRoot]), files: [], setAside: [] }
  const names = yield* fs.readDirectory(realRoot).pipe(Effect.mapError(unreadable(root)))
  const folders: Array<Folder> = []
  const tables: Array<string> = []
  const archives: Array<string> = []
  for (const name of names.sort()) {
    if (Pipeline.isLeftBehind(name)) continue
    if (name.startsWith(".")) {
      yield* setAsideHidden(state, name)
      continue
    }
    const { kind, real } = yield* classify(paths.join(realRoot, name))
    if (kind === "folder") folders.push({ name, real })
    else if (kind !== "file" && kind !== "empty") state.setAside.push({ path: name, class: "", reason: reasons[kind] })
    else if (imageName.test(name)) state.setAside.push({ path: name, class: "", reason: outside })
    else if (tableName.test(name)) tables.push(name)
    else if (archiveName.test(name)) archives.push(name)
  }
  const found = yield* classFolders(state, folders)
  const images = state.setAside.filter(({ reason }) => reason === outside).length
  const all = [...new Set(found.map(({ belongs }) => belongs.class))].sort()
  const classes = classLimit > 0 ? all.slice(0, classLimit) : all
  for (const { relative, real, belongs } of found) {
    if (!classes.includes(belongs.class) || state.visited.has(real)) continue
    state.visited.add(real)
    yield* listFolder(state, belongs, relative)
  }
  return {
    classes,
    files: state.files.sort(byPath),
    setAside: state.setAside.sort(byPath),
    linked: found
      .filter(({ real, relative }) => real !== paths.join(realRoot, relative))
      .map(({ relative }) => relative),
    given: splitNames.filter((split) => found.some(({ belongs }) => belongs.given === split)),
    root: { images, tables, archives }
  } satisfies ImageListing
})
