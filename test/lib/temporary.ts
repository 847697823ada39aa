/** Folders for the tests of one file, gone after the last of them. */
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { afterAll } from "vitest"

const made: Array<string> = []
// here and not where one is made: what is registered while a test runs is never called
afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
})

/** Where files are in memory, if the system has such a place. */
export const memory = existsSync("/dev/shm") ? "/dev/shm" : tmpdir()

export const temporaryFolder = (parent = tmpdir()): string => {
  const folder = realpathSync(mkdtempSync(path.join(parent, "op-pipe-test-")))
  made.push(folder)
  return folder
}

/** Writes files by their paths relative to `root`. */
export const writeFiles = (root: string, files: Readonly<Record<string, string | Uint8Array>>): void => {
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(root, name)
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, content)
  }
}
