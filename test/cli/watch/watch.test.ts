/** `op-pipe run --watch`: runs again on edits of sources and code, ends what is outdated, and ends by Ctrl-C with all of its processes. */
import { execFileSync, spawn } from "node:child_process"
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { setTimeout } from "node:timers/promises"
import { afterEach, describe, expect, it } from "vitest"
import { opPipe, repository } from "../../lib/cli.ts"
import { makeProject } from "../../lib/project.ts"
import { temporaryFolder, writeFiles } from "../../lib/temporary.ts"

const ending: Array<() => Promise<unknown>> = []
afterEach(async () => {
  for (const end of ending.splice(0)) await end()
})

const pipeline = (command: string): string => `
import { Artifact, Pipeline, Stage } from "./core/index.ts"
import { suffix } from "./lib/suffix.ts"
const Texts = Artifact.folder({ tag: "Texts/v1", path: "." })
const List = Artifact.text({ tag: "List/v1", path: "list.txt" })
const list = Stage.command({ name: "list", command: ${JSON.stringify(command)}, env: { SUFFIX: suffix }, inputs: { texts: Texts }, output: { list: List } })
const texts = Pipeline.source({ name: "texts", artifact: Texts, path: "texts" })
export default Pipeline.make({ name: "lists", steps: [Pipeline.step(list, { inputs: { texts: texts.port } })] })
`
const listing = 'find "$texts" -type f -printf "%P$SUFFIX " > "$list"'

/** A watched run of a project of its own. */
const watched = (command = listing) => {
  const root = path.join(temporaryFolder(), "project")
  makeProject(root, undefined, { "pipeline.ts": pipeline(command) })
  writeFiles(root, { "texts/a.txt": "", "lib/suffix.ts": 'export const suffix = ""\n' })
  const child = spawn(process.execPath, [path.join(repository, "bin/op-pipe.cjs"), "run", "--watch"], {
    cwd: root,
    env: { ...process.env, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"]
  })
  let text = ""
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      text += chunk
    })
  }
  const closed = new Promise<number | null>((resolve) => child.once("close", resolve))
  const interrupt = (): Promise<number | null> => {
    if (child.exitCode === null) child.kill("SIGINT")
    return closed
  }
  ending.push(interrupt)
  let from = 0
  /** Waits until `said` stands in what was printed since the last call, and gives that. */
  const until = async (said: string): Promise<string> => {
    for (const startedMs = Date.now(); Date.now() - startedMs < 110_000; await setTimeout(20)) {
      const at = text.indexOf(said, from)
      if (at < 0) continue
      const piece = text.slice(from, at + said.length)
      from = at + said.length
      return piece
    }
    throw new Error(`expected "${said}" after:\n${text}`)
  }
  const listed = (): string => readFileSync(path.join(root, "outputs/list/list.txt"), "utf8")
  return { root, until, listed, interrupt, said: () => text }
}

const idle = "Watching for changes. Ctrl-C ends it.\n"

describe("run --watch", () => {
  it("runs again when sources or code change, however they are saved, and not for other files", async () => {
    const { root, until, listed, interrupt, said } = watched()
    const at = (name: string): string => path.join(root, name)
    await until(idle)
    expect(listed()).toBe("a.txt ")
    writeFileSync(at("texts/b.txt"), "")
    expect(await until(idle)).toContain("Changed: texts/b.txt\n")
    expect(listed().split(" ").sort().join(" ").trim()).toBe("a.txt b.txt")
    // as editors save: a new file takes the place of the old one
    writeFileSync(at("lib/suffix.ts.tmp"), 'export const suffix = "!"\n')
    renameSync(at("lib/suffix.ts.tmp"), at("lib/suffix.ts"))
    expect(await until(idle)).toContain("Changed: lib/suffix.ts\n")
    expect(listed()).toContain("b.txt!")
    mkdirSync(at("texts/new/deep"), { recursive: true })
    writeFileSync(at("texts/new/deep/c.txt"), "")
    await until(idle)
    writeFileSync(at("texts/new/deep/d.txt"), "")
    await until(idle)
    expect(listed()).toContain("new/deep/d.txt!")
    const before = said()
    writeFileSync(at("README.md"), "")
    await setTimeout(500)
    expect(said()).toBe(before)
    expect(await interrupt()).toBe(130)
  })

  it("goes on after a pipeline that cannot be loaded, and after a failed step", async () => {
    const { root, until, listed } = watched()
    await until(idle)
    const file = path.join(root, "pipeline.ts")
    writeFileSync(file, `${pipeline(listing)} (`)
    expect(await until(idle)).toContain("could not be loaded")
    writeFileSync(file, pipeline("exit 3"))
    expect(await until(idle)).toContain("its command ended with exit code 3")
    writeFileSync(file, pipeline(`${listing}; printf end >> "$list"`))
    await until(idle)
    expect(listed()).toBe("a.txt end")
  })

  it("is bad usage without a pipeline in reach", async () => {
    expect(await opPipe(["run", "--watch"], { cwd: temporaryFolder() })).toMatchObject({ code: 2, stdout: "" })
  })

  it("ends a run that is outdated, with its processes, and by Ctrl-C itself too", async () => {
    const seconds = `97${process.pid}.5`
    const { root, until, interrupt } = watched(`sleep ${seconds}`)
    const sleeping = (): string =>
      execFileSync("sh", ["-c", `pgrep -xf 'sleep ${seconds}' || true`], { encoding: "utf8" })
    await until("▶ list")
    while (sleeping() === "") await setTimeout(20)
    const first = sleeping()
    writeFileSync(path.join(root, "texts/b.txt"), "")
    const then = await until("▶ list")
    expect(then).toContain("Changed: texts/b.txt\n")
    expect(then).not.toContain("Interrupted")
    while (sleeping() === "") await setTimeout(20)
    expect(sleeping()).not.toContain(first)
    expect(await interrupt()).toBe(130)
    expect(sleeping()).toBe("")
  })
})
