/** Provenance: the host, versions and commit of a run, recorded with its results and never part of a key. */
import { existsSync, readFileSync } from "node:fs"
import { hostname } from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import { childProcess } from "../../cache/store/disk/Late.ts"

/** Whether the folder lies in a repository: to start git takes longer than many a step. */
const isInRepository = (folder: string): boolean =>
  process.env["GIT_DIR"] !== undefined ||
  existsSync(path.join(folder, ".git")) ||
  (folder !== path.dirname(folder) && isInRepository(path.dirname(folder)))

const git = (args: ReadonlyArray<string>): Effect.Effect<string | null> =>
  Effect.promise(() =>
    promisify(childProcess().execFile)("git", [...args], { timeout: 2000 }).then(
      ({ stdout }) => stdout.trim(),
      () => null
    )
  )

const readVersion = (): string => {
  // The sources stand two folders below package.json, the built files three.
  for (const up of ["../..", "../../.."]) {
    try {
      const file = path.join(path.dirname(fileURLToPath(import.meta.url)), up, "package.json")
      return (JSON.parse(readFileSync(file, "utf8")) as { readonly version: string }).version
    } catch {
      // try one folder further up
    }
  }
  return "unknown"
}

/**
 * The version of op-pipe.
 *
 * @example
 * ```ts
 * import { version } from "op-pipe/cli"
 *
 * console.log(/^\d+\.\d+\.\d+/.test(version)) // true
 * ```
 */
export const version = readVersion()

/** The provenance that all results of a run share. */
export const ofRun = Effect.gen(function* () {
  const commit = isInRepository(process.cwd()) ? yield* git(["rev-parse", "HEAD"]) : null
  const changes = commit === null ? null : yield* git(["status", "--porcelain", "--untracked-files=no"])
  return {
    host: hostname(),
    opPipe: version,
    node: process.versions.node,
    commit,
    dirty: changes === null ? null : changes !== ""
  }
})
