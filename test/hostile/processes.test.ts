/**
 * Several processes on one store: each key is executed once, nobody fails, and who is killed is replaced. And one
 * process, killed at any time: the next run ends as if nothing had been.
 */
import { existsSync, readdirSync, rmSync } from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import * as Random from "../../stages/lib/Random.ts"
import { eventsSoFar, lastEvent, opPipe, runLetters } from "../lib/cli.ts"
import { letterSteps, letterTexts } from "../lib/place.ts"
import { contents } from "../lib/runs.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"
import { full, series, timeoutMs } from "./series.ts"

const root = temporaryFolder()
writeFiles(root, letterTexts)
const fresh = (place: string): void => rmSync(path.join(root, place), { recursive: true, force: true })

describe("many processes on one empty store", () => {
  const processes = full ? 8 : 4
  const rounds = full ? 200 : 2
  it(
    `execute each step once (${processes} processes, ${rounds} rounds)`,
    async () => {
      for (const round of series("rounds of processes", rounds)) {
        fresh("many")
        const finished = await Promise.all(
          Array.from({ length: processes }, () => opPipe(runLetters("many"), { cwd: root }))
        )
        const executed = finished.flatMap((each) => lastEvent(each).executed)
        expect(executed.sort(), `round ${round}`).toEqual(letterSteps.toSorted())
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
      await opPipe(runLetters("oracle"), { cwd: root })
      fresh("oracle")
      const beganMs = performance.now()
      await opPipe(runLetters("oracle"), { cwd: root })
      const wholeMs = performance.now() - beganMs
      const expected = contents(path.join(root, "oracle/outputs"))
      for (const kill of series("kills", kills)) {
        fresh("killed")
        const afterMs = Random.make(3, "kills", String(kill)).between(0.05, 1.1) * wholeMs
        const startedMs = performance.now()
        const timer: { stop: () => void } = { stop: () => undefined }
        const killed = opPipe(runLetters("killed"), {
          cwd: root,
          onStart: (signal) => {
            const handle = setTimeout(() => signal("SIGKILL"), afterMs)
            timer.stop = () => clearTimeout(handle)
          }
        })
        const first = await killed
        timer.stop()
        const point = `kill ${kill} after ${afterMs.toFixed(0)} ms (ended after ${(performance.now() - startedMs).toFixed(0)} ms)`
        const done = eventsSoFar(first.stdout).flatMap((event) => (event.type === "StepExecuted" ? [event.step] : []))
        const second = await opPipe(runLetters("killed"), { cwd: root })
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
