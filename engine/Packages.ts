/** Finds installed npm packages without loading them. */
import * as fs from "node:fs"
import { createRequire } from "node:module"
import * as path from "node:path"

export interface InstalledPackage {
  readonly name: string
  readonly version: string
  readonly folder: string
}

/** The starts of the search: this folder, then the project's folder. */
const starts = (): ReadonlyArray<string> => [
  path.join(import.meta.dirname, "package.json"),
  path.join(process.cwd(), "package.json")
]

/** A folder that a step may not read has no packages; Node throws there. */
const isThere = (file: string): boolean => {
  try {
    return fs.existsSync(file)
  } catch {
    return false
  }
}

/** The package as `import` would find it from op-pipe or from the project, or undefined. */
export const findPackage = (name: string): InstalledPackage | undefined => {
  for (const start of starts()) {
    for (const folder of createRequire(start).resolve.paths(name) ?? []) {
      const file = path.join(folder, name, "package.json")
      if (!isThere(file)) continue
      const { version } = JSON.parse(fs.readFileSync(file, "utf8")) as { readonly version?: string }
      return { name, version: version ?? "unknown", folder: path.dirname(file) }
    }
  }
  return undefined
}

/** Loads a package that `findPackage` found, as CommonJS. */
export const requirePackage = (found: InstalledPackage): unknown =>
  createRequire(path.join(found.folder, "package.json"))(found.folder)
