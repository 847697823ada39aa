/** Each way in which a run is ended from outside: no process stays, the exit code says how, and the history knows of it. */
import { spawn } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { constants } from "node:os"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import { opPipe, repository } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { temporaryFolder } from "../lib/temporary.ts"

const root = path.join(temporaryFolder(), "project")
/** Seconds to sleep that name these tests among all processes of the machine. */
const seconds = `4${process.pid}.5`

/** A command that sleeps, in a process of its own too, and a stage that never gives way. */
const pipeline = `
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Artifact, Pipeline, Stage } from "./core/index.ts"
const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })
const quick = Stage.command({ name: "quick", command: 'echo quick | tee "$text"', inputs: {}, output: { text: Text } })
const sleeping = Stage.command({
  name: "sleeping", command: 'while :; do echo tick; sleep 0.2; done & sleep ${seconds} & sleep ${seconds}; echo > "$text"', inputs: { quick: Text }, output: { text: Text }
})
export const busy = Stage.make({
  name: "busy", source: import.meta.url, params: Schema.Struct({ mark: Schema.String.pipe(Schema.withDecodingDefaultKey(Effect.succeed("${seconds}"))) }), inputs: { quick: Text }, output: { text: Text },
  run: ({ params, progress }) => Effect.andThen(progress({ label: "busy", done: 0, total: 1, unit: "rounds" }), Effect.sync(() => {
    process.title = "op-pipe-busy " + params.mark
    for (;;) Math.sqrt(2)
  }))
})
const first = Pipeline.step(quick, { inputs: {} })
const inputs = { quick: first.out.text }
export default Pipeline.make({ name: "ending", steps: [Pipeline.step(sleeping, { inputs }), Pipeline.step(busy, { inputs })] })
`

/** Ids of processes of the steps, by `text` in their command lines. */
const processesWith = (text: string): ReadonlyArray<string> =>
  readdirSync("/proc").flatMap((id) => {
    try {
      const line = /^\d+$/u.test(id) ? readFileSync(`/proc/${id}/cmdline`, "utf8") : ""
      return line.includes(text) && (line.startsWith("sleep") || line.startsWith("op-pipe-busy")) ? [id] : []
    } catch {
      return []
    }
  })

const until = async (isSo: () => boolean, mostMs: number): Promise<boolean> => {
  for (const startedMs = Date.now(); Date.now() - startedMs < mostMs; ) {
    if (isSo()) return true
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return isSo()
}

/** Runs until all steps are at work, then does `act`; gives the end of the run. */
const ended = async (sandbox: string, act: (child: ReturnType<typeof spawn>) => void) => {
  makeProject(root, undefined, { "pipeline.ts": pipeline })
  const args = [path.join(repository, "bin/op-pipe.cjs"), "run", `--sandbox=${sandbox}`, "--cores=4", "--verbose"]
  const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] })
  let [stdout, stderr] = ["", ""]
  child.stdout.on("data", (chunk) => {
    stdout += chunk
  })
  child.stderr.on("data", (chunk) => {
    stderr += chunk
  })
  const end = new Promise<{ readonly code: number | null }>((resolve) =>
    child.once("close", (code) => resolve({ code }))
  )
  // both sleeps, and the stage
  const isAtWork = await until(() => processesWith(seconds).length >= 3, 30_000)
  expect({ isAtWork, stdout, stderr }).toMatchObject({ isAtWork: true })
  act(child)
  const { code } = await end
  const isAlone = await until(() => processesWith(seconds).length === 0, 3000)
  const left = processesWith(seconds)
  // one that goes on does so for ever
  for (const id of left) process.kill(Number(id), "SIGKILL")
  expect({ isAlone, left }).toEqual({ isAlone: true, left: [] })
  return { code, stderr }
}

const history = async () =>
  JSON.parse((await opPipe(["history", "--json"], { cwd: root })).stdout) as {
    readonly runs: ReadonlyArray<{ readonly state: string; readonly executed: ReadonlyArray<string> }>
  }

const signals = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const

describe.skipIf(!existsSync("/proc/self/cmdline"))("a run that is ended from outside", () => {
  it.each(signals.flatMap((signal) => [[signal, "auto"] as const, [signal, "off"] as const]))(
    "by %s (--sandbox=%s): ends its steps, and says so by its exit code and in the history",
    async (signal, sandbox) => {
      const { code, stderr } = await ended(sandbox, (child) => child.kill(signal))
      expect(code).toBe(128 + constants.signals[signal])
      expect(stderr).toContain("op-pipe: Interrupted. What is finished is kept; run again to go on.")
      expect((await history()).runs).toMatchObject([{ state: "interrupted", executed: ["quick"] }])
    },
    60_000
  )

  it.each(["auto", "off"])(
    "by SIGKILL (--sandbox=%s): its steps end with it, and the history knows of it",
    async (sandbox) => {
      const { code } = await ended(sandbox, (child) => child.kill("SIGKILL"))
      expect(code).toBe(null)
      expect((await history()).runs).toMatchObject([{ state: "interrupted" }])
      expect((await opPipe(["history"], { cwd: root })).stdout).toContain(", interrupted")
    },
    60_000
  )

  it("by the end of its reader: as by SIGPIPE", async () => {
    const { code } = await ended("off", (child) => child.stdout?.destroy())
    expect(code).toBe(128 + constants.signals.SIGPIPE)
    expect((await history()).runs).toMatchObject([{ state: "interrupted" }])
  }, 60_000)
})
