/**
 * What others may have written: records and files of a shared store, code that is kept between runs, a pipeline in a folder
 * above (CVE-2022-24765), names that are orders for a terminal.
 */
import { execFileSync } from "node:child_process"
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import * as path from "node:path"
import { beforeEach, describe, expect, it } from "vitest"
import xxhash from "xxhash-wasm"
import { opPipe } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"

const base = temporaryFolder()
const root = path.join(base, "project")
const isRoot = process.getuid?.() === 0
const nobody = 65_534

const pipeline = `
import { Artifact, Pipeline, Stage } from "./core/index.ts"
const Data = Artifact.folder({ tag: "Data/v1", path: "data" })
const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })
const data = Pipeline.source({ name: "data", artifact: Data, path: "data" })
const join = Stage.command({ name: "join", command: 'cat "$data"/* > "$text"', inputs: { data: Data }, output: { text: Text } })
export default Pipeline.make({ name: "trusting", steps: [Pipeline.step(join, { inputs: { data: data.port } })] })
`

beforeEach(() => {
  makeProject(root, undefined, { "pipeline.ts": pipeline, "data/a.txt": "a" })
})

const op = (...args: ReadonlyArray<string>) => opPipe(args, { cwd: root })
/** The files in a folder of the store. */
const stored = (folder: string): ReadonlyArray<string> =>
  readdirSync(path.join(root, ".op-pipe/v1", folder), { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.join(entry.parentPath, entry.name))

const instead: Readonly<Record<string, (file: string) => void>> = {
  "a named pipe": (file) => void execFileSync("mkfifo", [file]),
  "a folder": (file) => void mkdirSync(file),
  "a link to a device": (file) => symlinkSync("/dev/zero", file),
  "a link to another file": (file) => symlinkSync(path.join(root, "package.json"), file)
}

describe("in the place of a file of the store", () => {
  it.each(Object.keys(instead))("%s counts as nothing, and is waited for by nobody", async (what) => {
    await op("run")
    for (const folder of ["blobs", "results", "last"]) {
      const files = stored(folder)
      expect(files.length).toBeGreaterThan(0)
      for (const file of files) {
        rmSync(file)
        instead[what]!(file)
      }
      expect((await op("status")).code).toBe(0)
      const { code, stdout } = await op("run")
      expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining("Done") })
      expect(readFileSync(path.join(root, "outputs/join/text.txt"), "utf8")).toBe("a")
      expect((await op("cache", "verify")).code).toBe(0)
    }
  })
})

describe("a record that somebody else wrote", () => {
  it("writes nothing outside, and is told", async () => {
    await op("run")
    const [file] = stored("results")
    const { h64ToString } = await xxhash()
    const record = JSON.parse(readFileSync(file!, "utf8").split("\n")[1]!)
    record.outputs.text.path = "../../../pwned"
    record.outputs.text.entries[0].path = "../../../pwned"
    const body = JSON.stringify(record)
    rmSync(file!)
    writeFileSync(file!, `${h64ToString(body)}\n${body}`)
    rmSync(path.join(root, "outputs"), { recursive: true })
    const { code, stdout } = await op("run")
    expect(code).toBe(0)
    expect(stdout).toContain(
      "▶ join  its record in the store is damaged, or not one that op-pipe wrote, and is not used"
    )
    expect(existsSync(path.join(base, "pwned"))).toBe(false)
    expect((await op("run")).stdout).toContain("1 cached")
  })
})

describe("the folder of code that is kept", () => {
  const run = (cache: string) => opPipe(["run"], { cwd: root, env: { OP_PIPE_CACHE_DIR: cache } })

  it("is made for the user alone, whatever the umask", async () => {
    const cache = path.join(root, "kept")
    const before = process.umask(0)
    try {
      await run(cache)
    } finally {
      process.umask(before)
    }
    for (const folder of ["", "start"]) expect(statSync(path.join(cache, folder)).mode & 0o777).toBe(0o700)
  })

  it("is made anew if others could write to it", async () => {
    const cache = path.join(root, "kept")
    await run(cache)
    writeFiles(cache, { "start/planted": "" })
    chmodSync(path.join(cache, "start"), 0o777)
    expect((await run(cache)).code).toBe(0)
    expect(readdirSync(path.join(cache, "start"))).not.toContain("planted")
    expect(statSync(path.join(cache, "start")).mode & 0o777).toBe(0o700)
  })

  it("is not used where others can put another in its place", async () => {
    const cache = path.join(root, "kept")
    mkdirSync(cache)
    chmodSync(cache, 0o777)
    const { code, stderr } = await run(cache)
    expect(code).toBe(0)
    expect(stderr).toContain(`op-pipe: others can write to ${cache}, so no code is kept there`)
    expect(readdirSync(path.join(cache, "start"))).toEqual([])
  })

  it.runIf(isRoot)("is not used if it is another user's", async () => {
    const cache = path.join(root, "kept")
    mkdirSync(path.join(cache, "start"), { recursive: true })
    chownSync(path.join(cache, "start"), nobody, nobody)
    const { code, stderr } = await run(cache)
    expect(code).toBe(0)
    expect(stderr).toContain(`start belongs to another user (${nobody})`)
  })
})

describe("a pipeline above the working directory", () => {
  it.runIf(isRoot)("is not loaded if it is another user's, unless it is named", async () => {
    const inner = path.join(root, "inner")
    mkdirSync(inner)
    expect((await opPipe(["run"], { cwd: inner })).code).toBe(0)
    chownSync(path.join(root, "pipeline.ts"), nobody, nobody)
    writeFileSync(path.join(root, "pipeline.ts"), `${pipeline}\nconsole.log("it was loaded")`)
    const refused = await opPipe(["status"], { cwd: inner })
    expect(refused.code).toBe(2)
    expect(refused.stdout).toBe("")
    expect(refused.stderr).toContain(`but found ${path.join(root, "pipeline.ts")}, which belongs to another user`)
    expect((await opPipe(["status", "--file", "../pipeline.ts"], { cwd: inner })).stdout).toContain("it was loaded")
    expect((await op("status")).stdout).toContain("it was loaded")
  })
})

describe("a name that gives orders to a terminal", () => {
  it("is shown as JSON escapes it", async () => {
    await op("run")
    writeFiles(root, { "data/evil\u001b]0;PWNED\u0007\u001b[2J\n.txt": "x" })
    for (const args of [["run", "--dry-run"], ["status"], ["why", "join"], ["run"]]) {
      const { stdout, stderr } = await op(...args)
      expect(stdout).toContain("1 added (evil\\u001b]0;PWNED\\u0007\\u001b[2J\\n.txt)")
      for (const order of ["\u001b]", "\u0007", "\u001b[2J"]) expect(stdout + stderr).not.toContain(order)
    }
  })
})
