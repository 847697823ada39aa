/** A log that grows beyond its bounds is cut while its step goes on. */
import { appendFileSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { expect, it, vi } from "vitest"
import * as Log from "../../../../core/executor/log/Log.ts"
import type { StepTask } from "../../../../core/executor/StepTask.ts"
import { temporaryFolder } from "../../../lib/temporary.ts"

/** What the step prints while its log is read. */
const meanwhile: Array<() => void> = []
vi.mock("node:fs", async (original) => {
  const fs = await original<typeof import("node:fs")>()
  const readSync = (...args: Parameters<typeof fs.readSync>): number => {
    const read = fs.readSync(...args)
    meanwhile.shift()?.()
    return read
  }
  return { ...fs, readSync }
})

it("keeps what is printed while it is cut, in its order", async () => {
  const file = path.join(temporaryFolder(), "step.txt")
  writeFileSync(file, "the beginning\n")
  truncateSync(file, 65 * 2 ** 20)
  appendFileSync(file, "before\n")
  meanwhile.push(() => appendFileSync(file, "while it is read\n"))
  meanwhile.push(() => appendFileSync(file, "the reason\n"))
  const log = Log.open({ log: file, secrets: [] } as unknown as StepTask)
  await log.close(true)
  expect(readFileSync(file, "latin1")).toMatch(
    /^\.\.\. \d+ bytes left out \.\.\.\n\0+before\nwhile it is read\nthe reason\n$/u
  )
  expect(statSync(file).size).toBeLessThan(1.1 * 2 ** 20)
  expect(Log.lastWords(log)).toMatch(/before\nwhile it is read\nthe reason$/u)
})
