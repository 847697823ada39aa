/** SourceLink: the links in a source that are followed, and which of them lead out of it, or out of a part of it. */
import * as path from "node:path"
import type { EntryKind } from "../Disk.ts"

/** A link in a source that counts as what it leads to. */
export interface SourceLink {
  readonly path: string
  /** Its text. */
  readonly target: string
  /** Where that is, and where it is in truth, beyond further links. */
  readonly leadsTo: string
  readonly real: string
  readonly kind: EntryKind
}

/** Whether `location` is `folder` or lies below it; both absolute. */
export const isIn = (location: string, folder: string): boolean =>
  location === folder || location.startsWith(folder.endsWith(path.sep) ? folder : folder + path.sep)

/** Those of `links`, outer ones first, that lead out of what lies at the real path `root`. */
export const outward = <A extends SourceLink>(root: string, links: ReadonlyArray<A>): ReadonlyArray<A> => {
  // the source, and the folders outside of it that are walked
  const within = [root]
  return links.filter(({ leadsTo, real, kind }) => {
    if (within.some((each) => isIn(leadsTo, each) && isIn(real, each))) return false
    if (kind === "folder") within.push(real)
    return true
  })
}

/** The real path of what lies at `at` in a source: links on the way to it are followed. */
export const realPath = (root: string, links: ReadonlyMap<string, SourceLink>, at: string): string => {
  for (let end = at.length; end > 0; end = at.lastIndexOf("/", end - 1)) {
    const link = links.get(at.slice(0, end))
    if (link !== undefined) return path.join(link.real, ...at.slice(end).split("/"))
  }
  return path.join(root, ...at.split("/"))
}
