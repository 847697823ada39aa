/**
 * Several processes on one store: each key is executed once, nobody fails, and who is killed is replaced. And one
 * process, killed at any time: the next run ends as if nothing had been.
 */
import { existsSync, readdirSync, rmSync } from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import * as Random from "../../stages/lib/Random.ts"
import { lastEvent, opPipe, repository } from "../lib/cli.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"
import { contents } from "./harness.ts"
import { full, series, timeoutMs } from "./series.ts"

const root = temporaryFolder()
writeFiles(root, { "texts/a.txt": "hello big world\n", "texts/b.txt": "again\n" })
const args = (place: string): ReadonlyArray<string> => [
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
const fresh = (place: string): void => rmSync(path.join(root, place), { recursive: true, force: true })

describe("many processes on one empty store", () => {
  const processes = full ? 8 : 4
  const rounds = full ? 200 : 2
  it(
    `execute each step once (${processes} processes, ${rounds} rounds)`,
    async () => {
      for (const round of series("rounds of processes", rounds)) {
        fresh("many")
        const finished = await Promise.all(Array.from({ length: processes }, () => opPipe(args("many"), { cwd: root })))
        const executed = finished.flatMap((each) => lastEvent(each).executed)
        expect(executed.sort(), `round ${round}`).toEqual(["count@letters", "count@words", "print", "words"])
        expect(finished.map((each) => each.code)).toEqual(Array.from({ length: processes }, () => 0))
      }
    },
    timeoutMs
  )
})

describe("SIGKILL of the command line at any time", () => {
  const kills = full ? 1000 : 8
  it(
    `is healed by the next run (${kills} kills)`,
    async () => {
      fresh("oracle")
      // once to make the bundle, once for the time that a run takes
      await opPipe(args("oracle"), { cwd: root })
      fresh("oracle")
      const beganMs = performance.now()
      await opPipe(args("oracle"), { cwd: root })
      const wholeMs = performance.now() - beganMs
      const expected = contents(path.join(root, "oracle/outputs"))
      for (const kill of series("kills", kills)) {
        fresh("killed")
        const afterMs = Random.make(3, "kills", String(kill)).between(0.05, 1.1) * wholeMs
        const startedMs = performance.now()
        const timer: { stop: () => void } = { stop: () => undefined }
        const killed = opPipe(args("killed"), {
          cwd: root,
          onStart: (signal) => {
            const handle = setTimeout(() => signal("SIGKILL"), afterMs)
            timer.stop = () => clearTimeout(handle)
          }
        })
        const first = await killed
        timer.stop()
        const point = `kill ${kill} after ${afterMs.toFixed(0)} ms (ended after ${(performance.now() - startedMs).toFixed(0)} ms)`
        const done = first.stdout
          .split("\n")
          .filter((line) => line.includes('"StepExecuted"'))
          .map((line) => (JSON.parse(line) as { step: string }).step)
        const second = await opPipe(args("killed"), { cwd: root })
        expect(second.code, point + second.stderr).toBe(0)
        expect(contents(path.join(root, "killed/outputs")), point).toEqual(expected)
        for (const scratch of ["tmp", "work"]) {
          const folder = path.join(root, "killed/store/v1", scratch)
          expect(existsSync(folder) ? readdirSync(folder) : [], `${point}: left in ${scratch}`).toEqual([])
        }
        for (const step of done) expect(lastEvent(second).executed, point).not.toContain(step)
      }
    },
    timeoutMs
  )
})
