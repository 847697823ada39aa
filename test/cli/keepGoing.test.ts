/** A run of twenty steps of which five end as badly as steps can: the others finish, and each failure says what and why. */
import { execFile } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import { events, type Finished, lastEvent, repository } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { temporaryFolder } from "../lib/temporary.ts"

const pipeline = `
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Artifact, Pipeline, Stage } from "./core/index.ts"
const Text = Artifact.file({ tag: "Text/v1", path: "o.txt" })
const command = (name, command) => Pipeline.step(Stage.command({ name, command, inputs: {}, output: { o: Text } }), { inputs: {} })
const stage = (name, source, run) => Stage.make({ name, source, params: Schema.Struct({}), inputs: {}, output: { o: Text }, run })

export const throws = stage("throws", import.meta.url, () => { throw new Error("of the stage's own") })
export const greedy = stage("greedy", import.meta.url, () => Effect.sync(() => { const all = []; for (;;) all.push(new Array(100_000).fill(all.length)) }))
export const suicidal = stage("suicidal", import.meta.url, () => Effect.sync(() => { process.kill(process.pid, "SIGKILL"); for (;;); }))
export const good = stage("good", import.meta.url, ({ output }) => output.o.write(new TextEncoder().encode("good")))

const bad = [
  command("talkative", "head -c 1000000000 /dev/zero | tr '\\\\0' 'x'; echo; echo the last word; exit 4"),
  command("fat", 'head -c 3000000000 /dev/zero > "$o"'),
  ...[throws, greedy, suicidal].map((each) => Pipeline.step(each, { inputs: {} }))
]
const fine = Array.from({ length: 14 }, (_, at) => command("fine" + at, 'echo fine > "$o"'))
const all = [...fine.slice(0, 4), ...bad, ...fine.slice(4), Pipeline.step(good, { inputs: {} })]
export default Pipeline.make({ name: "ugly", steps: all })
`

/** `op-pipe` with its store on a file system of 1.6 GB: a log of a gigabyte fits, a file of three does not; undefined where none can be mounted. */
const onSmallDisk = (root: string, ...args: ReadonlyArray<string>): Promise<Finished | undefined> =>
  new Promise((resolve) => {
    const op = [process.execPath, path.join(repository, "bin/op-pipe.cjs"), ...args]
      .map((each) => `'${each}'`)
      .join(" ")
    // the store outlives the mount as a copy
    const script = `mount -t tmpfs -o size=1600m tmpfs store || exit 77; cp -a kept/. store; ${op}; code=$?; rm -rf kept; cp -a store kept; exit $code`
    const env = { ...process.env, NO_COLOR: "1", NODE_OPTIONS: "--max-old-space-size=150" }
    execFile(
      "unshare",
      ["-m", "bash", "-c", script],
      { cwd: root, env, maxBuffer: 2 ** 26 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1
        resolve(code === 77 || /unshare/u.test(stderr) ? undefined : { code, stdout, stderr })
      }
    )
  })

const failures: Readonly<Record<string, RegExp>> = {
  talkative: /^its command ended with exit code \d+[\s\S]*the last word|The disk is full/u,
  fat: /^its command ended with exit code 1\. The disk is full: free some space and run again|No space left/u,
  throws: /^it threw Error: of the stage's own\n\s+at [^\n]*pipeline\.ts:9:/u,
  greedy: /^its memory was used up .*--max-old-space-size=MEGABYTES, or have it keep less at once$/u,
  suicidal: /^its process ended by SIGKILL \(perhaps the machine ran out of memory\) before the step was done/u
}

describe("a run with --keep-going", () => {
  it("finishes what does not fail, and says of what does what and why", async () => {
    const root = path.join(temporaryFolder(), "project")
    makeProject(root, undefined, { "pipeline.ts": pipeline })
    for (const folder of ["store", "kept"]) mkdirSync(path.join(root, folder))
    const run = () => onSmallDisk(root, "run", "--keep-going", "--json", "--store", "store", "--cores", "1")
    const first = await run()
    // only root may mount
    if (first === undefined) return
    expect(first.code).toBe(1)
    const finished = lastEvent(first)
    expect(finished.failed.toSorted()).toEqual(Object.keys(failures).toSorted())
    expect(finished.executed).toHaveLength(15)
    const failed = events(first).flatMap((event) => (event.type === "StepFailed" ? [event] : []))
    for (const { step, reason, fault, log } of failed) {
      expect({ step, reason }).toEqual({ step, reason: expect.stringMatching(failures[step]!) })
      expect({ step, fault }).toEqual({ step, fault: "stage" })
      // what it printed is there, and is not a gigabyte
      if (log === null) continue
      const kept = path.join(root, "kept", path.relative(path.join(root, "store"), log))
      expect(statSync(kept).size).toBeLessThan(70 * 2 ** 20)
    }
    expect(readdirSync(path.join(root, "kept/v1/work"))).toEqual([])
    const again = await run()
    expect(lastEvent(again!)).toMatchObject({ executed: [], failed: finished.failed })
    expect(lastEvent(again!).cached).toHaveLength(15)
    const left = readdirSync("/proc").filter((id) => {
      const file = `/proc/${id}/environ`
      try {
        return /^\d+$/u.test(id) && readFileSync(file, "utf8").includes(`TMPDIR=${root}`)
      } catch {
        return false
      }
    })
    expect(left).toEqual([])
    expect(existsSync(path.join(root, "outputs/fine13/o.txt"))).toBe(true)
  }, 180_000)
})
