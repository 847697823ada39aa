/** TreeChange: how two trees differ, in words. */
import { shownName } from "../../identity/Shown.ts"
import * as Tree from "../Tree.ts"

const list = (verb: string, paths: ReadonlyArray<string>): ReadonlyArray<string> =>
  paths.length === 0
    ? []
    : [`${paths.length} ${verb} (${paths.slice(0, 3).map(shownName).join(", ")}${paths.length > 3 ? ", ..." : ""})`]

/** `2 added (a/1.png, a/2.png), 1 changed (b/3.png)`; a file that moved with its content unchanged is `renamed`. */
export const describe = (before: Tree.Tree, after: Tree.Tree): string => {
  const old = new Map(before.map((entry) => [entry.path, entry]))
  const now = new Map(after.map((entry) => [entry.path, entry]))
  const added = after.filter((entry) => !old.has(entry.path))
  const removed = before.filter((entry) => !now.has(entry.path))
  const changed = after.filter((entry) => old.has(entry.path) && !Tree.isSameEntry(old.get(entry.path)!, entry))
  const renamed = added.flatMap((entry) => {
    const from = removed.find((gone) => entry.kind === "file" && gone.kind === "file" && gone.digest === entry.digest)
    return from === undefined ? [] : [{ from: from.path, to: entry.path }]
  })
  const moved = new Set(renamed.flatMap((each) => [each.from, each.to]))
  const rest = (entries: Tree.Tree): ReadonlyArray<string> =>
    entries.map((each) => each.path).filter((each) => !moved.has(each))
  return [
    ...list("added", rest(added)),
    ...list("removed", rest(removed)),
    ...list("changed", rest(changed)),
    ...list(
      "renamed",
      renamed.map((each) => `${each.from} -> ${each.to}`)
    )
  ].join(", ")
}
