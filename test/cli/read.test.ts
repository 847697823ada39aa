/** `op-pipe read`: what a step made, as a value or as a path, of now and of earlier runs. */
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { opPipe } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { temporaryFolder } from "../lib/temporary.ts"

const root = path.join(temporaryFolder(), "project")
const op = (...args: ReadonlyArray<string>) => opPipe(args, { cwd: root })
const opRead = (...args: ReadonlyArray<string>) => op("read", ...args)

const pipeline = `
import * as Schema from "effect/Schema"
import { Artifact, Pipeline, Stage } from "./core/index.ts"
const Text = Artifact.text({ tag: "Text/v1", path: "text.txt" })
const Score = Artifact.json({ tag: "Score/v1", path: "score.json", schema: Schema.Unknown })
const Model = Artifact.bytes({ tag: "Model/v1", path: "model.bin" })
const Hidden = Artifact.file({ tag: "Hidden/v1", path: "hidden.bin", materialize: false })
const Parts = Artifact.folder({ tag: "Parts/v1", path: "parts", materialize: false })
const Spare = Artifact.optional(Artifact.file({ tag: "Spare/v1", path: "spare.txt" }))
const source = Pipeline.source({ name: "text", artifact: Text, path: "in.txt" })
const train = Stage.command({
  name: "train",
  command: 'cp "$text" "$copy"; printf "{\\\\"size\\\\": %d}" "$(wc -c < "$text")" > "$score"; printf "\\\\0\\\\1" > "$model"; printf x > "$hidden"; mkdir -p "$parts/in"; cp "$text" "$parts/in/a.txt"',
  inputs: { text: Text },
  output: { copy: Text, score: Score, model: Model, hidden: Hidden, parts: Parts, spare: Spare }
})
const one = Stage.command({ name: "one", command: 'printf "%s" "$OP" > "$copy"', inputs: {}, output: { copy: Text }, env: { OP: "\\u001b[2J" } })
export default Pipeline.make({ name: "read", steps: [
  Pipeline.step(train, { variant: "lr=0.1", inputs: { text: source.port } }),
  Pipeline.step(train, { variant: "b", inputs: { text: source.port } }),
  Pipeline.step(one, { inputs: {} })
] })
`

const many = `
import { Artifact, Pipeline, Stage } from "./core/index.ts"
const Texts = Artifact.folder({ tag: "Texts/v1", path: "." })
const Text = Artifact.text({ tag: "Text/v1", path: "text.txt" })
const Model = Artifact.bytes({ tag: "Model/v1", path: "model.bin" })
const copy = Stage.command({ name: "copy", command: 'cp "$text" "$copy"; cp "$text" "$model"', inputs: { text: Text }, output: { copy: Text, model: Model } })
const texts = Pipeline.source({ name: "texts", artifact: Texts, path: "texts" })
const each = Pipeline.entries(texts.port, Text, { match: "*.txt" })
export default Pipeline.make({ name: "many", steps: [Pipeline.each(copy, { over: { text: each } })] })
`

beforeAll(async () => {
  makeProject(root, undefined, { "pipeline.ts": pipeline, "in.txt": "early\n" })
  await op("run")
  writeFileSync(path.join(root, "in.txt"), "later on\n")
  await op("run")
})

describe("read", () => {
  it("prints documents and texts as they are, by either form of a step's name", async () => {
    expect(await opRead("train(lr=0.1).copy")).toEqual({ code: 0, stdout: "later on\n", stderr: "" })
    expect((await opRead("train@lr=0.1.score")).stdout).toBe('{"size": 9}')
    expect((await opRead("one")).stdout).toBe("\u001b[2J")
  })

  it("prints the path of a file: in outputs/ if it is there, else in the store", async () => {
    expect((await opRead("train@b.model")).stdout).toBe(`${path.join(root, "outputs/train@b/model.bin")}\n`)
    const hidden = (await opRead("train@b.hidden")).stdout.trimEnd()
    expect(hidden).toContain(`${path.join(root, ".op-pipe")}/`)
    expect(readFileSync(hidden, "utf8")).toBe("x")
  })

  it("of an earlier run gives what it made", async () => {
    expect((await opRead("train@b.copy", "--run", "last~1")).stdout).toBe("early\n")
    const { stdout } = await opRead("train@b.model", "--run", "last~1")
    expect(stdout).not.toContain("outputs/")
  })

  it("copies to a place: a file over another, a folder where nothing is", async () => {
    await opRead("train@b.copy", "--to", "here/copy.txt")
    expect((await opRead("train@b.copy", "--run", "last~1", "--to", "here/copy.txt")).code).toBe(0)
    expect(readFileSync(path.join(root, "here/copy.txt"), "utf8")).toBe("early\n")
    expect(await opRead("train@b.parts", "--to", "here/parts")).toMatchObject({ code: 0, stdout: "wrote here/parts\n" })
    expect(readFileSync(path.join(root, "here/parts/in/a.txt"), "utf8")).toBe("later on\n")
    expect(statSync(path.join(root, "here/parts")).isDirectory()).toBe(true)
    const again = await opRead("train@b.parts", "--to", "here/parts")
    expect(again).toMatchObject({ code: 2, stdout: "" })
    expect(again.stderr).toContain("expected a place where nothing is, but found something")
  })

  it("leaves a file as it is that no step made", async () => {
    writeFileSync(path.join(root, "mine.txt"), "mine")
    for (const place of ["mine.txt", "here"]) {
      const { code, stderr } = await opRead("train@b.copy", "--to", place)
      expect(code, stderr).toBe(2)
      expect(stderr).toContain("expected a place where nothing is, or what a step made, but found something else")
    }
    expect(readFileSync(path.join(root, "mine.txt"), "utf8")).toBe("mine")
  })

  it("says where it lies and what it is with --json", async () => {
    expect(JSON.parse((await opRead("train@b.score", "--json")).stdout)).toMatchObject({
      step: "train@b",
      output: "score",
      kind: "json",
      path: path.join(root, "outputs/train@b/score.json"),
      value: { size: 9 }
    })
    const folder = JSON.parse((await opRead("train@b.parts", "--to", "json-parts", "--json")).stdout)
    expect(folder).toMatchObject({ kind: "folder", path: path.join(root, "json-parts") })
    expect(existsSync(folder.path)).toBe(true)
  })

  it.each([
    [
      "trian@b.copy",
      'expected one of the steps train@lr=0.1, train@b, one, but found "trian@b". Did you mean "train@b"?'
    ],
    ["train@b.copi", 'Did you mean "copy"?'],
    ["train.copy", "read train.copy: expected one step, but found train(lr=0.1), train(b)"],
    ["train@b", "expected one of the outputs train@b.copy, train@b.score, train@b.model"],
    ["train@b.spare", "expected the output spare, but found none: the step left it out"],
    ["train@b.parts", "this one is in the store alone. Name a place for a copy by --to"]
  ])("%s is refused with what would do", async (asked, said) => {
    const { code, stdout, stderr } = await opRead(asked)
    expect(stderr).toContain(said)
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
  })

  it("knows branches by their names, and refuses the step that stands for them", async () => {
    const folder = path.join(temporaryFolder(), "many")
    makeProject(folder, undefined, { "pipeline.ts": many, "texts/a.txt": "one\n", "texts/b.txt": "two\n" })
    const branch = (...args: ReadonlyArray<string>) => opPipe(args, { cwd: folder })
    expect(await branch("read", "copy")).toMatchObject({ code: 2 })
    await branch("run")
    expect((await branch("read", "copy[b].copy")).stdout).toBe("two\n")
    expect((await branch("read", "copy[a].model")).stdout).toBe(`${path.join(folder, "outputs/copy/a/model.bin")}\n`)
    const all = await branch("read", "copy")
    expect(all.stderr).toContain("expected one of its branches copy[a], copy[b], but found all")
    expect(all.code).toBe(2)
    expect((await branch("read", "copy[c]")).code).toBe(2)
  })

  it("says that there is no result before the first run", async () => {
    const fresh = await opPipe(["read", "one", "--store", "elsewhere"], { cwd: root })
    expect(fresh).toMatchObject({
      code: 2,
      stderr: "op-pipe: expected a result of one, but found none. Run `op-pipe run` first\n"
    })
    expect(existsSync(path.join(root, "elsewhere"))).toBe(false)
  })
})
