/** TreeParts: parts of a tree, each as a tree of its own: a step may read one file of a folder, or one folder in it. */
import * as Effect from "effect/Effect"
import type { Stat } from "../Disk.ts"
import * as Tree from "../Tree.ts"
import * as SourceLink from "./SourceLink.ts"

type Listing = Tree.SourceTree["seen"][number]
type TreeEntry = Tree.Tree[number]

/** What lies in each folder, and in those around it: folder -> items, in their order. */
const below = <A>(items: ReadonlyArray<A>, pathOf: (item: A) => string): ReadonlyMap<string, ReadonlyArray<A>> => {
  const found = new Map<string, Array<A>>()
  for (const item of items) {
    const path = pathOf(item)
    for (let cut = path.indexOf("/"); cut > 0; cut = path.indexOf("/", cut + 1)) {
      const folder = path.slice(0, cut)
      const own = found.get(folder)
      if (own === undefined) found.set(folder, [item])
      else own.push(item)
    }
  }
  return found
}

/** The entries below the folder at `at`, as they lie below `to`; empty for that itself. */
const moved = (entries: ReadonlyArray<TreeEntry>, at: string, to: string): Tree.Tree =>
  entries.map((entry) => ({ ...entry, path: `${to === "" ? "" : `${to}/`}${entry.path.slice(at.length + 1)}` }))

/** The entries of a tree by path, and of a folder's those below it, moved to `to`. */
export const of = (tree: Tree.Tree) => {
  const byPath = new Map(tree.map((entry) => [entry.path, entry]))
  const inside = below(tree, ({ path }) => path)
  return {
    entry: (at: string): TreeEntry | undefined => byPath.get(at),
    below: (at: string, to: string): Tree.Tree => moved(inside.get(at) ?? [], at, to)
  }
}

/** The file or folder at a path of a source, as a source of its own; a file under the name `as`. */
export const ofSource = (source: Tree.SourceTree, tree: Tree.Tree) => {
  const parts = of(tree)
  const listings = below(source.seen, ({ folder }) => `${folder}/`)
  const stats = new Map<string, Stat | undefined>()
  for (const { folder, children } of source.seen) {
    for (const { name, stat } of children) stats.set(folder === "" ? name : `${folder}/${name}`, stat)
  }
  const links = new Map(source.links.map((link) => [link.path, link]))
  const linksBelow = below(source.links, ({ path }) => path)
  const ignoredBelow = below(source.ignored, (path) => path)
  const folder = (at: string): Tree.SourceTree => {
    const entries = parts.below(at, "")
    const seen: ReadonlyArray<Listing> = (listings.get(at) ?? []).map((each) => ({
      ...each,
      folder: each.folder.slice(at.length + 1)
    }))
    const ignored = (ignoredBelow.get(at) ?? []).map((path) => path.slice(at.length + 1))
    // a link that leads to another part leads out of this one
    const own = (linksBelow.get(at) ?? []).map((link) => ({ ...link, path: link.path.slice(at.length + 1) }))
    const real = SourceLink.realPath(source.real, links, at)
    return { digest: Tree.digest(entries), tree: Effect.succeed(entries), seen, ignored, links: own, real }
  }
  return (at: string, as: string): Tree.SourceTree | undefined => {
    const entry = parts.entry(at)
    if (entry?.kind === "folder") return folder(at)
    const stat = stats.get(at)
    return entry?.kind === "file" && stat !== undefined ? Tree.ofFile(as, entry.digest, stat) : undefined
  }
}
