/** A shared cache between clones of a project, by the command line and a real server. */
import * as path from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type CacheServer, reader, startCacheServer, writer } from "../lib/cacheServer.ts"
import { type CliOptions, events, lastEvent, opPipe, runLetters } from "../lib/cli.ts"
import { letterSteps, letterTexts } from "../lib/place.ts"
import { contents } from "../lib/runs.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"

const base = temporaryFolder()
let server: CacheServer
beforeAll(async () => {
  server = await startCacheServer(path.join(base, "server"))
})
afterAll(() => server.kill())

let clones = 0
/** A clone of the project, on a machine that has run nothing yet. */
const clone = (): string => {
  const root = path.join(base, `clone-${++clones}`)
  writeFiles(root, letterTexts)
  return root
}
const run = (root: string, args: ReadonlyArray<string>, env: CliOptions["env"] = reader) =>
  opPipe([...runLetters(), ...args], { cwd: root, env: { XDG_CONFIG_HOME: root, ...env } })

describe("two clones", () => {
  it("one executes and uploads, the other executes nothing and has the same", async () => {
    const [one, other] = [clone(), clone()]
    const first = await run(one, ["--remote", server.url, "--remote-write"], writer)
    expect(lastEvent(first).executed).toEqual(letterSteps)
    const second = await run(other, ["--remote", server.url])
    expect(lastEvent(second)).toMatchObject({ executed: [], cached: letterSteps })
    expect(contents(path.join(other, "outputs"))).toEqual(contents(path.join(one, "outputs")))
    const pulled = events(second).filter((event) => event.type === "StepCached" && event.pulled)
    expect(pulled).toHaveLength(letterSteps.length)
    server.forget()
    for (const root of [one, other]) {
      const again = await run(root, ["--remote", server.url, "--remote-write"], writer)
      expect(lastEvent(again)).toMatchObject({ executed: [], cached: letterSteps })
    }
    expect(server.asked()).toEqual([])
  })
})
