/**
 * Both packages, packed and installed once for all test files of a run: each build empties `dist/`, so two at a time would take
 * each other's files.
 */
import { execFile } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { setTimeout } from "node:timers/promises"
import { promisify } from "node:util"
import { repository } from "./cli.ts"
import { writeFiles } from "./temporary.ts"

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

/** The folder of this run of the tests, by the process that started its workers; afterwards.ts removes it. */
const folder = path.join(realpathSync(tmpdir()), `op-pipe-packed-${process.ppid}`)

/** Has `make` fill a folder, in the first test file that asks; the others wait for that. */
const once = async (name: string, make: (at: string) => Promise<unknown>): Promise<string> => {
  const at = path.join(folder, name)
  const done = `${at}.done`
  mkdirSync(folder, { recursive: true })
  try {
    mkdirSync(at)
  } catch {
    while (!existsSync(done)) await setTimeout(100)
    const problem = readFileSync(done, "utf8")
    if (problem !== "") throw new Error(`${name} was not made, as the test file says that was to make it: ${problem}`)
    return at
  }
  await make(at).then(
    () => writeFileSync(done, ""),
    (error) => {
      writeFileSync(done, String(error))
      throw error
    }
  )
  return at
}

/** The tarballs. */
export const packed = async (): Promise<Packed> => {
  const at = await once("tarballs", async (at) => {
    await call("npm", ["pack", "--pack-destination", at], repository)
    await call("npm", ["pack", "--ignore-scripts", "--pack-destination", at, "./dist-study"], repository)
  })
  const names = readdirSync(at)
  const find = (isStudy: boolean): string => path.join(at, names.find((name) => name.includes("study") === isStudy)!)
  return { framework: find(false), study: find(true) }
}

const install = async (at: string, packages: ReadonlyArray<string>): Promise<void> => {
  writeFiles(at, { "package.json": `{"private":true,"type":"module"}` })
  await call("npm", ["install", "--no-audit", "--no-fund", ...packages], at)
}

/** A folder in which npm has installed the framework alone. Each test file has its projects in a folder of its own below. */
export const installed = (): Promise<string> =>
  once("framework", async (at) => install(at, [(await packed()).framework]))

/** One in which it has installed both packages. */
export const installedBoth = (): Promise<string> =>
  once("both", async (at) => {
    const { framework, study } = await packed()
    await install(at, [framework, study])
  })
