/** Projects of their own for tests of the command line: fixtures copied, the framework linked. */
import { cpSync, mkdirSync, symlinkSync } from "node:fs"
import * as path from "node:path"
import { repository } from "./cli.ts"
import { writeFiles } from "./temporary.ts"

/** Makes the project at `root`: the folder `fixture` below test/fixtures, if any, and the given files. */
export const makeProject = (
  root: string,
  fixture: string | undefined,
  files: Readonly<Record<string, string | Uint8Array>>
): void => {
  mkdirSync(root, { recursive: true })
  if (fixture !== undefined) {
    const folder = path.join("test/fixtures", fixture)
    cpSync(path.join(repository, folder), path.join(root, folder), { recursive: true })
  }
  for (const name of ["core", "cache", "node_modules"]) symlinkSync(path.join(repository, name), path.join(root, name))
  writeFiles(root, { "package.json": `{"type":"module"}`, ...files })
}
