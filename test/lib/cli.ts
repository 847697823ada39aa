/** The real command line, in a process of its own. */
import { spawn } from "node:child_process"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import type { RunEvent } from "../../core/run/RunEvent.ts"

export const repository = fileURLToPath(new URL("../..", import.meta.url))

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface CliOptions {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  /** The user (and group) to run as. */
  readonly uid?: number
  /** Called with all of standard output so far. */
  readonly onOutput?: (text: string, kill: (signal: NodeJS.Signals) => void) => void
  readonly onStart?: (kill: (signal: NodeJS.Signals) => void) => void
}

export const opPipe = (args: ReadonlyArray<string>, options: CliOptions): Promise<Finished> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [path.join(repository, "bin/op-pipe.cjs"), ...args], {
      cwd: options.cwd,
      env: { ...process.env, NO_COLOR: "1", ...options.env },
      ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
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

/** Arguments of a run of the letters pipeline: its data in `texts`, its store and outputs in the folder `place`. */
export const runLetters = (place = "."): ReadonlyArray<string> => [
  "run",
  "--json",
  "--file",
  path.join(repository, "test/fixtures/letters/pipeline.ts"),
  "--data",
  "texts",
  "--store",
  `${place}/store`,
  "--outputs",
  `${place}/outputs`
]

/** For `onOutput` of a run with --json: acts once, when a step has told of its progress. */
export const onceUnderWay = (act: () => void): ((text: string) => void) => {
  let acted = false
  return (text) => {
    if (acted || !text.includes("StepProgress")) return
    acted = true
    act()
  }
}

/** Events in what a process has printed so far, also of one that was killed in the middle of a line. */
export const eventsSoFar = (text: string): ReadonlyArray<RunEvent> =>
  text.split("\n").flatMap((line) => {
    try {
      return [JSON.parse(line) as RunEvent]
    } catch {
      return []
    }
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
