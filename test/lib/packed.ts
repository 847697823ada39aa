/**
 * Both packages, packed once for all test files of a run: each build empties `dist/`, so two at a time would take each
 * other's files.
 */
import { execFile } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { setTimeout } from "node:timers/promises"
import { promisify } from "node:util"
import { repository } from "./cli.ts"

export interface Packed {
  readonly framework: string
  readonly study: string
}

/** Without what npm sets for its own scripts, which would point npx at this checkout; with the Node of this process. */
export const environment = (): NodeJS.ProcessEnv => {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|INIT_CWD)/i.test(name)))
  const own = path.join(repository, "node_modules/.bin")
  const searched = (process.env["PATH"] ?? "").split(path.delimiter).filter((each) => path.resolve(each) !== own)
  return { ...env, PATH: [path.dirname(process.execPath), ...searched].join(path.delimiter), NO_COLOR: "1" }
}

/** Runs a program as a user's shell would; what it printed is in the error when it fails. */
export const call = async (command: string, args: ReadonlyArray<string>, cwd: string): Promise<string> => {
  const { stdout } = await promisify(execFile)(command, [...args], {
    cwd,
    env: environment(),
    maxBuffer: 2 ** 26
  }).catch((error: { readonly stdout: string; readonly stderr: string }) => {
    throw new Error(`${command} ${args.join(" ")}:\n${error.stdout}\n${error.stderr}`)
  })
  return stdout
}

/** The folder of this run of the tests, by the process that started its workers. */
const folder = path.join(tmpdir(), `op-pipe-packed-${process.ppid}`)
const done = path.join(folder, "done")

const pack = async (): Promise<void> => {
  try {
    await call("npm", ["pack", "--pack-destination", folder], repository)
    await call("npm", ["pack", "--ignore-scripts", "--pack-destination", folder, "./dist-study"], repository)
    writeFileSync(done, "")
  } catch (error) {
    writeFileSync(done, String(error))
    throw error
  }
}

const isFirst = (): boolean => {
  try {
    mkdirSync(folder)
    return true
  } catch {
    return false
  }
}

/** The tarballs, made by the first that asks. */
export const packed = async (): Promise<Packed> => {
  if (isFirst()) await pack()
  while (!existsSync(done)) await setTimeout(100)
  const names = readdirSync(folder).filter((name) => name.endsWith(".tgz"))
  const find = (isStudy: boolean): string => {
    const found = names.find((name) => name.includes("study") === isStudy)
    if (found === undefined) throw new Error(`${folder} has no package; the test file that packed says why`)
    return path.join(folder, found)
  }
  return { framework: find(false), study: find(true) }
}
