/**
 * Gets oneDNN from Debian's packages into a folder, without root: `apt-get download` and `dpkg -x`.
 *
 * Gotchas: apt's package lists must be there (`apt-get update`, which does need root, was run at some time). Fetched are the
 * headers, the library, and the two shared libraries it links that a bare machine lacks. The folder is built aside and swapped in.
 */
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import { EngineError } from "../Identity.ts"

/** oneDNN, OpenMP's runtime, and the OpenCL loader that Debian's build links. */
const packages = ["libdnnl-dev", "libdnnl2", "libgomp1", "ocl-icd-libopencl1"]

const run = promisify(execFile)

const failure = (cause: unknown): EngineError =>
  new EngineError({
    engine: "native",
    expected: `apt-get to download ${packages.join(", ")}`,
    actual: cause instanceof Error ? cause.message.trim().split("\n").slice(-2).join(" ") : String(cause),
    toDo: "This needs Debian or one of its kin, with package lists (`apt-get update` as root, once). Or build oneDNN and put it under /usr/local."
  })

const fetchInto = async (folder: string, notify: (line: string) => void): Promise<void> => {
  fs.mkdirSync(path.dirname(folder), { recursive: true })
  const aside = fs.mkdtempSync(path.join(path.dirname(folder), ".onednn-"))
  try {
    const debs = path.join(aside, "debs")
    const tree = path.join(aside, "tree")
    fs.mkdirSync(debs)
    notify(`downloading ${packages.join(", ")}`)
    // As root apt drops to a user of its own, who may not write here, unless it is told not to.
    await run("apt-get", ["download", "-o", "APT::Sandbox::User=root", ...packages], { cwd: debs })
    for (const deb of fs.readdirSync(debs)) await run("dpkg", ["-x", path.join(debs, deb), tree])
    fs.rmSync(folder, { recursive: true, force: true })
    fs.renameSync(tree, folder)
    notify(`oneDNN is in ${folder}`)
  } finally {
    fs.rmSync(aside, { recursive: true, force: true })
  }
}

/** Fetches oneDNN into `folder` (for the engine to find it: `vendor/onednn` in the project's folder), replacing what is there. */
export const fetchOneDnn = (options: {
  readonly folder: string
  readonly notify: (line: string) => void
}): Effect.Effect<void, EngineError> =>
  Effect.tryPromise({ try: () => fetchInto(options.folder, options.notify), catch: failure })
