/**
 * SourceLinks: what a step has to reach outside of a source, since links in the source lead there.
 *
 * A link keeps its text wherever the source lies for the step. So what a relative link leads to has to lie as far from
 * the source there as it does here.
 */
import * as path from "node:path"
import type { SourceLink } from "../../cache/store/tree/SourceLink.ts"

export interface Reached {
  /** Its real path. */
  readonly from: string
  /** The path by which the link names it, here. */
  readonly named: string
  /** Where a step looks for it: absolute, or relative to where the source lies for the step. */
  readonly at: string
}

/** Of more files in one folder the folder is reached as a whole: to mount them one by one takes long. */
const mostOfFolder = 200

/** Where each link leads, seen from the source; outer links come first. */
const placesOf = (links: ReadonlyArray<SourceLink>): ReadonlyMap<string, string> => {
  const places = new Map<string, string>()
  /** Where the content of a folder of the source lies. */
  const placeOf = (folder: string): string => {
    if (folder === ".") return folder
    return places.get(folder) ?? path.posix.join(placeOf(path.posix.dirname(folder)), path.posix.basename(folder))
  }
  for (const { path: link, target } of links) {
    const text = target.split(path.sep).join("/")
    places.set(link, path.isAbsolute(target) ? text : path.posix.join(placeOf(path.posix.dirname(link)), text))
  }
  return places
}

/** The folder of what a link leads to, if the name is the same by every path. */
const folderOf = ({ from, named, at }: Reached): Reached | undefined =>
  path.basename(from) === path.basename(named) && path.basename(from) === path.posix.basename(at)
    ? { from: path.dirname(from), named: path.dirname(named), at: path.posix.dirname(at) }
    : undefined

/** All that the links of one source lead to. */
export const reachedBy = (links: ReadonlyArray<SourceLink>): ReadonlyArray<Reached> => {
  const places = placesOf(links)
  const groups = new Map<string, Array<Reached>>()
  for (const { path: link, leadsTo, real } of links) {
    const reached = { from: real, named: leadsTo, at: places.get(link)! }
    const folder = JSON.stringify(folderOf(reached) ?? reached)
    groups.set(folder, [...(groups.get(folder) ?? []), reached])
  }
  return Array.from(groups.values()).flatMap((group) =>
    group.length > mostOfFolder ? [folderOf(group[0]!) ?? group[0]!] : group
  )
}
