/**
 * oneDNN without root, on Debian and its relatives: downloads the packages with `apt-get download` and unpacks them with
 * `dpkg -x` into a folder of the project (`vendor/onednn`), where OneDnn.ts looks first.
 *
 * Gotchas: apt's package lists must be there (`apt-get update`, which needs root once). What the library needs at run
 * time (OpenMP, an OpenCL loader) is fetched too unless it is installed; C and C++ runtimes are always the system's.
 */
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import { EngineError } from "../Identity.ts"

/** Runs a program and gives its standard output; rejects when it fails. Replaced in tests. */
export type Run = (command: string, args: ReadonlyArray<string>, cwd: string) => Promise<string>

const runProgram: Run = async (command, args, cwd) => {
  const { stdout } = await promisify(execFile)(command, [...args], { cwd, env: { ...process.env, LC_ALL: "C" } })
  return stdout
}

const developmentPackage = "libdnnl-dev"
const neverFetched = /^(libc6|libgcc-s1|libstdc\+\+6)$/u

/** Names after "Depends:" in the output of `apt-cache depends`; virtual packages, in angle brackets, are left out. */
export const parseDepends = (output: string): ReadonlyArray<string> =>
  [...output.matchAll(/^ {1,2}\|?Depends: ([^<\s]+)$/gmu)].map((match) => match[1]!)

const isInstalled = async (run: Run, name: string, cwd: string): Promise<boolean> => {
  try {
    return (await run("dpkg-query", ["-W", "-f", "${Status}", name], cwd)).includes("install ok installed")
  } catch {
    return false
  }
}

/** The packages to unpack: the headers, the library that they belong to, and what that needs and is not installed. */
const packagesToFetch = async (run: Run, cwd: string): Promise<ReadonlyArray<string>> => {
  const depends = async (name: string) =>
    parseDepends(await run("apt-cache", ["depends", "--no-recommends", name], cwd))
  const library = (await depends(developmentPackage)).find((name) => /^libdnnl\d/u.test(name))
  if (library === undefined) throw new Error(`${developmentPackage} depends on no libdnnl package`)
  const wanted = [developmentPackage, library]
  for (const name of await depends(library)) {
    if (!neverFetched.test(name) && !wanted.includes(name) && !(await isInstalled(run, name, cwd))) wanted.push(name)
  }
  return wanted
}

const fetchInto = async (folder: string, run: Run, notify: (line: string) => void): Promise<void> => {
  const downloads = fs.mkdtempSync(path.join(os.tmpdir(), "op-pipe-onednn-"))
  try {
    const wanted = await packagesToFetch(run, downloads)
    notify(`downloading ${wanted.join(", ")}`)
    // as root, apt would download as a user of its own, who may not write here
    await run("apt-get", ["download", "-o", "APT::Sandbox::User=root", ...wanted], downloads)
    // complete or not at all: unpacked beside the target first
    fs.mkdirSync(path.dirname(folder), { recursive: true })
    const unpacked = fs.mkdtempSync(`${folder}.`)
    for (const file of fs.readdirSync(downloads).sort()) {
      if (file.endsWith(".deb")) await run("dpkg", ["-x", path.join(downloads, file), unpacked], downloads)
    }
    fs.rmSync(folder, { recursive: true, force: true })
    fs.renameSync(unpacked, folder)
    notify(`unpacked into ${folder}`)
  } finally {
    fs.rmSync(downloads, { recursive: true, force: true })
  }
}

export interface FetchOptions {
  /** Usually `vendor/onednn` in the project; what is there is replaced. */
  readonly folder: string
  readonly notify: (line: string) => void
  readonly run?: Run
}

/** Puts oneDNN into a folder. */
export const fetchOneDnn = (options: FetchOptions): Effect.Effect<void, EngineError> =>
  Effect.tryPromise({
    try: () => fetchInto(options.folder, options.run ?? runProgram, options.notify),
    catch: (cause) =>
      new EngineError({
        engine: "native",
        expected: "apt's packages of oneDNN",
        actual: (cause instanceof Error ? cause.message : String(cause)).trim(),
        toDo: "This needs Debian or one of its kin: run `apt-get update` once as root and try again, or `apt-get install libdnnl-dev`.",
        cause
      })
  })
