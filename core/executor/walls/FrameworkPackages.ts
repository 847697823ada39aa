/** FrameworkPackages: where op-pipe itself finds the packages that it needs. They count by its format tags, as it does. */
import { existsSync, readFileSync, realpathSync } from "node:fs"
import * as path from "node:path"
import * as Framework from "../../../cache/code/Framework.ts"

/** The names that a package's manifest has in the fields that npm installs. */
const neededBy = (folder: string): ReadonlyArray<string> => {
  const file = path.join(folder, "package.json")
  if (!existsSync(file)) return []
  const manifest = JSON.parse(readFileSync(file, "utf8")) as Readonly<Record<string, object | undefined>>
  const fields = [manifest["dependencies"], manifest["optionalDependencies"], manifest["peerDependencies"]]
  return fields.flatMap((each) => Object.keys(each ?? {}))
}

/** Where Node finds the package `name` from a folder. */
const find = (name: string, folder: string): string | undefined => {
  const at = path.join(folder, "node_modules", name)
  if (path.basename(folder) !== "node_modules" && existsSync(at)) return at
  return folder === path.dirname(folder) ? undefined : find(name, path.dirname(folder))
}

let known: ReadonlyArray<string> | undefined

/** op-pipe's folder, if it is a package, and where Node finds all packages that it needs; looked up once a process. */
export const frameworkPackages = (): ReadonlyArray<string> => {
  if (known !== undefined) return known
  const root = realpathSync(Framework.root)
  const places = new Set<string>()
  const folders = new Set([root])
  for (const folder of folders) {
    for (const name of neededBy(folder)) {
      const at = find(name, folder)
      if (at === undefined) continue
      places.add(at)
      folders.add(realpathSync(at))
    }
  }
  const isPackage = root.split(path.sep).includes("node_modules")
  known = [...(isPackage ? [root] : []), ...places]
  return known
}
