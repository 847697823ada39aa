/** A shared cache between clones of a project, by the command line and a real server. */
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs"
import * as path from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type CacheServer, reader, startCacheServer, writer } from "../lib/cacheServer.ts"
import { type CliOptions, events, lastEvent, opPipe, repository, runLetters } from "../lib/cli.ts"
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

describe("the configuration", () => {
  const file = (root: string, name: string, remote: unknown): void =>
    writeFiles(root, { [name]: JSON.stringify({ remote }) })
  const projectIn = (root: string): string => {
    const pipeline = readFileSync(path.join(repository, "test/fixtures/letters/pipeline.ts"), "utf8")
    const local = pipeline
      .replaceAll("../../../", `${repository}/`)
      .replaceAll("./stages.ts", `${repository}/test/fixtures/letters/stages.ts`)
    writeFiles(root, { "pipeline.ts": local, ...letterTexts })
    return root
  }
  const project = (): string => projectIn(clone())
  const here = (root: string, args: ReadonlyArray<string> = [], env: CliOptions["env"] = reader) =>
    opPipe(["run", "--data", "texts", ...args], {
      cwd: root,
      env: { XDG_CONFIG_HOME: path.join(root, "user"), ...env }
    })

  it("beside the pipeline, over that of the user, and flags over both", async () => {
    const root = project()
    file(root, "op-pipe.json", { url: server.url })
    file(root, "user/op-pipe/config.json", { url: "http://127.0.0.1:9" })
    server.forget()
    await here(root)
    expect(server.asked().length).toBeGreaterThan(0)
    for (const url of ["off", "http://127.0.0.1:9"]) {
      const other = project()
      file(other, "op-pipe.json", { url: server.url, write: true })
      server.forget()
      expect((await here(other, ["--remote", url], writer)).stdout.includes("no server listens")).toBe(url !== "off")
      expect(server.asked()).toEqual([])
    }
  })

  it("that another cache may be written to says nothing of the one that a flag names", async () => {
    const root = project()
    file(root, "op-pipe.json", { url: "http://127.0.0.1:9", write: true })
    server.forget()
    expect((await here(root, ["--remote", server.url, "--force"], writer)).code).toBe(0)
    expect(server.asked().filter(({ method }) => method === "PUT")).toEqual([])
  })

  const refusing = path.join(base, "refusing")
  beforeAll(() => projectIn(refusing))

  it.each<[string, unknown, ReadonlyArray<string>, string]>([
    ["a misspelt name", { url: "https://a", wirte: true }, [], "wirte"],
    [
      "a value of another kind",
      { url: "https://a", write: "yes" },
      [],
      "op-pipe.json: remote.write: expected true or false"
    ],
    ["a key that is none", { url: "https://a", trust: ["ed25519:short"] }, [], "expected public keys"],
    ["a password in a URL", {}, ["--remote", "https://me:hunter2@example.org"], "without credentials"],
    ["a token in a URL", { url: "https://example.org/?sig=hunter2" }, [], "without credentials"],
    ["http to another machine", { url: "http://example.org" }, ["--remote-write"], "expected https"],
    ["nothing to write to", {}, ["--remote-write"], "--remote-write: expected a shared cache"],
    ["another protocol", { url: "ftp://example.org" }, [], "expected a URL such as"],
    ["a certificate that is not there", { url: "https://a", ca: "none.crt" }, [], "none.crt could not be read"]
  ])("is refused where it holds %s, before anything runs", async (_what, remote, args, message) => {
    file(refusing, "op-pipe.json", remote)
    const { code, stdout, stderr } = await here(refusing, args, {})
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(message) })
    expect(stdout + stderr).not.toContain("hunter2")
    expect(existsSync(path.join(refusing, "outputs"))).toBe(false)
  })

  it("leaves secrets where they are: in no record, history, output or message", async () => {
    const root = project()
    const { signingKey, publicKey } = JSON.parse((await opPipe(["remote", "keygen", "--json"], { cwd: root })).stdout)
    file(root, "op-pipe.json", { url: server.url, trust: [publicKey] })
    const env = { ...writer, OP_PIPE_REMOTE_PASSWORD: "writer", OP_PIPE_SIGNING_KEY: signingKey }
    const { stdout, stderr, code } = await here(root, ["--remote-write", "--json", "--verbose", "--force"], env)
    expect(code).toBe(0)
    const files = [root, server.data].flatMap((folder) =>
      readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) =>
        entry.isFile() ? [readFileSync(path.join(entry.parentPath, entry.name), "latin1")] : []
      )
    )
    expect(files.length).toBeGreaterThan(20)
    const secrets = [signingKey.split(":")[1], Buffer.from("writer:writer").toString("base64")]
    for (const text of [stdout, stderr, ...files]) for (const secret of secrets) expect(text).not.toContain(secret)
  })
})

describe("without a run", () => {
  const letters = ["--file", path.join(repository, "test/fixtures/letters/pipeline.ts"), "--store", "store"]
  const remote = (root: string, args: ReadonlyArray<string>, env: CliOptions["env"]) =>
    opPipe(["remote", ...args, ...letters, "--remote", server.url, "--json"], { cwd: root, env: { ...env } })

  it("results go up and come down", async () => {
    const [one, other] = [clone(), clone()]
    for (const kind of ["ac", "cas"]) rmSync(path.join(server.data, kind), { recursive: true, force: true })
    await run(one, ["--remote", "off"])
    const said = async (...asked: Parameters<typeof remote>) => JSON.parse((await remote(...asked)).stdout)
    const sorted = letterSteps.toSorted()
    const pushed = await said(one, ["push"], writer)
    expect({ ...pushed, pushed: pushed.pushed.toSorted() }).toEqual({ pushed: sorted, present: [], missing: [] })
    expect((await said(one, ["push"], writer)).pushed).toEqual([])
    expect((await said(one, ["push", "--again"], writer)).pushed.toSorted()).toEqual(sorted)
    const pulled = await said(other, ["pull", "--data", "texts"], reader)
    expect(pulled).toEqual({ pulled: letterSteps, present: [], missing: [] })
    expect(lastEvent(await run(other, ["--remote", "off"]))).toMatchObject({ executed: [], cached: letterSteps })
    const third = clone()
    const [count] = letterSteps
    rmSync(path.join(server.data, "ac", JSON.parse((await run(one, [])).stdout.split("\n")[1]!).key))
    expect(await said(third, ["pull", "--data", "texts"], reader)).toEqual({
      pulled: [],
      present: [],
      missing: letterSteps
    })
    expect(count).toBe("words")
  })

  it("of a step for each of many, each comes by itself", async () => {
    const files = {
      "pipeline.ts": `import { Artifact, Pipeline, Stage } from "${repository}/core/index.ts"
const Texts = Artifact.folder({ tag: "Texts/v1", path: "." })
const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })
const texts = Pipeline.source({ name: "texts", artifact: Texts, path: "texts" })
const count = Stage.command({ name: "count", command: 'wc -w < "$text" > "$count"', inputs: { text: Text }, output: { count: Text } })
const each = Pipeline.each(count, { over: { text: Pipeline.entries(texts.port, Text, { match: "*.txt" }) } })
const sum = Stage.command({ name: "sum", command: 'cat "$counts"/*/text.txt > "$sum"', inputs: { counts: Artifact.many(Text) }, output: { sum: Text } })
export default Pipeline.make({ name: "many", steps: [Pipeline.step(sum, { inputs: { counts: each.out.count } })] })
`
    }
    const [one, other] = [clone(), clone()]
    for (const root of [one, other]) writeFiles(root, files)
    const env = { XDG_CONFIG_HOME: one, ...writer }
    const asked = ["--remote", server.url, "--json"]
    const first = await opPipe(["run", "--remote-write", ...asked], { cwd: one, env })
    expect(lastEvent(first).executed).toHaveLength(3)
    const pulled = JSON.parse((await opPipe(["remote", "pull", ...asked], { cwd: other, env })).stdout)
    expect(pulled).toMatchObject({ present: [], missing: [] })
    expect(pulled.pulled).toHaveLength(3)
    const then = await opPipe(["run", "--remote", "off", "--json"], { cwd: other, env })
    expect(lastEvent(then)).toMatchObject({ executed: [] })
  })

  it("a failure is a failure: exit code 1, and 2 where none is configured", async () => {
    const root = clone()
    await run(root, ["--remote", "off"])
    for (const verb of [["status"], ["push"], ["pull", "--data", "texts"]]) {
      // what is here is not asked for
      if (verb[0] === "pull") rmSync(path.join(root, "store"), { recursive: true })
      const refused = await remote(root, verb, {})
      expect([verb, refused.code], refused.stderr).toEqual([verb, 1])
      expect(refused.stdout + refused.stderr).toContain("it answered 401")
      const none = await opPipe(["remote", ...verb, ...letters], { cwd: root, env: { XDG_CONFIG_HOME: root } })
      expect({ code: none.code, stderr: none.stderr }).toEqual({
        code: 2,
        stderr: expect.stringContaining("expected a shared cache, but none is configured")
      })
    }
  })
})
