/** Links: the symbolic links that paths lead through. What they lead to is mounted at its real path; a mount cannot go through a link. */
import { lstatSync, readdirSync, readlinkSync } from "node:fs"
import * as path from "node:path"

const isLink = (file: string): boolean => lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() === true

/** The folders that `file` lies in, the outermost first, and the file. */
const wayTo = (file: string): ReadonlyArray<string> => {
  const parts = file.split(path.sep).slice(1)
  return parts.map((_, index) => path.sep + parts.slice(0, index + 1).join(path.sep))
}

const mostHops = 40

/** The links on the way to files, with where each leads; a link may lead through others. */
export const linksTo = (files: ReadonlyArray<string>): ReadonlyMap<string, string> => {
  const links = new Map<string, string>()
  const seen = new Map<string, boolean>()
  const isKnownLink = (file: string): boolean => {
    const known = seen.get(file) ?? isLink(file)
    seen.set(file, known)
    return known
  }
  for (const file of files) {
    let at = path.resolve(file)
    for (let hops = 0; hops < mostHops; hops++) {
      const link = wayTo(at).find(isKnownLink)
      if (link === undefined) break
      const target = readlinkSync(link)
      links.set(link, target)
      at = path.resolve(path.dirname(link), target, path.relative(link, at))
    }
  }
  return links
}

/** The links in a folder; none in one that cannot be listed. */
export const linksIn = (folder: string): ReadonlyArray<string> => {
  try {
    const entries = readdirSync(folder, { withFileTypes: true })
    return entries.filter((entry) => entry.isSymbolicLink()).map(({ name }) => path.join(folder, name))
  } catch {
    return []
  }
}
