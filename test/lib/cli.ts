/** The real command line, in a process of its own. */
import { spawn } from "node:child_process"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import type { RunEvent } from "../../core/RunEvent.ts"

export const repository = fileURLToPath(new URL("../..", import.meta.url))

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface CliOptions {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  /** Called with all of standard output so far. */
  readonly onOutput?: (text: string, kill: (signal: NodeJS.Signals) => void) => void
  readonly onStart?: (kill: (signal: NodeJS.Signals) => void) => void
}

export const opPipe = (args: ReadonlyArray<string>, options: CliOptions): Promise<Finished> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [path.join(repository, "bin/op-pipe.mjs"), ...args], {
      cwd: options.cwd,
      env: { ...process.env, NO_COLOR: "1", ...options.env },
      stdio: ["ignore", "pipe", "pipe"]
    })
    options.onStart?.((signal) => child.kill(signal))
    let stdout = ""
    let stderr = ""
    child.stdout.on("data", (chunk) => {
      stdout += chunk
      options.onOutput?.(stdout, (signal) => child.kill(signal))
    })
    child.stderr.on("data", (chunk) => {
      stderr += chunk
    })
    child.on("error", reject)
    child.on("close", (code) => resolve({ code, stdout, stderr }))
  })

export const events = (finished: Finished): ReadonlyArray<RunEvent> =>
  finished.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as RunEvent)

export const lastEvent = (finished: Finished): Extract<RunEvent, { readonly type: "RunFinished" }> => {
  const event = events(finished).at(-1)
  if (event?.type !== "RunFinished") throw new Error(`no RunFinished: ${finished.stdout}\n${finished.stderr}`)
  return event
}
