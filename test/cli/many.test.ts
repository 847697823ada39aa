/** Steps for each of many that are known only at run time: what runs, what does not, and every verb knows them. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { beforeEach, describe, expect, it } from "vitest"
import { events, lastEvent, opPipe } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { temporaryFolder } from "../lib/temporary.ts"

const base = temporaryFolder()
let root = ""

beforeEach(() => {
  root = path.join(base, "project")
  makeProject(root, "many", { "texts/a.txt": "one two", "texts/b.txt": "three" })
})

const command = (verb: string, ...args: ReadonlyArray<string>) => {
  const places = ["--store", "store", "--outputs", "outputs"]
  const data = ["history", "restore", "gc", "clean", "logs"].includes(verb) ? [] : ["--data", "texts"]
  return opPipe([verb, "--file", "test/fixtures/many/pipeline.ts", ...data, ...places, ...args], { cwd: root })
}
const run = async (...args: ReadonlyArray<string>) => lastEvent(await command("run", "--json", ...args))
const text = (file: string): string => readFileSync(path.join(root, file), "utf8")
const write = (name: string, words: string): void => writeFileSync(path.join(root, "texts", name), words)
const sorted = (ids: unknown): ReadonlyArray<string> => Array.from(ids as ReadonlyArray<string>).sort()

describe("each", () => {
  it("has a branch for each entry of a folder that a step made, and gathers them by name", async () => {
    const first = await run()
    expect(sorted((first as { executed: unknown }).executed)).toEqual(
      sorted(["cut", "join", "list", ...["one", "two", "three"].flatMap((word) => [`turn[${word}]`, `shout[${word}]`])])
    )
    expect(text("outputs/join/word.txt")).toBe("one=ENO\nthree=EERHT\ntwo=OWT")
    expect(text("outputs/list/word.txt")).toBe("./one/word.txt\n./three/word.txt\n./two/word.txt\n")
    expect(text("outputs/turn/two/word.txt")).toBe("owt")
    expect(await run()).toMatchObject({ executed: [] })
  })

  it("runs what is new, and what gathers; of what is gone the gathering alone, and its outputs go", async () => {
    await run()
    write("c.txt", "four")
    const added = await run()
    expect(sorted((added as { executed: unknown }).executed)).toEqual(
      sorted(["cut", "turn[four]", "shout[four]", "join", "list"])
    )
    rmSync(path.join(root, "texts/a.txt"))
    const removed = await run()
    expect(sorted((removed as { executed: unknown }).executed)).toEqual(sorted(["cut", "join", "list"]))
    expect(readdirSync(path.join(root, "outputs/shout")).filter((name) => !name.startsWith("."))).toEqual([
      "four",
      "three"
    ])
    expect(text("outputs/join/word.txt")).toBe("four=RUOF\nthree=EERHT")
    // emptied: nothing to gather is something to gather
    for (const name of ["b.txt", "c.txt"]) rmSync(path.join(root, "texts", name))
    const emptied = await command("run", "--json")
    expect(sorted((lastEvent(emptied) as { executed: unknown }).executed)).toEqual(sorted(["cut", "join", "list"]))
    expect(events(emptied)).toContainEqual({
      type: "Notice",
      text: "turn: no entry of cut.words matches *.txt, so there is nothing to do"
    })
    expect(text("outputs/join/word.txt")).toBe("")
  })

  it("stops where outputs are the same as before", async () => {
    await run()
    // other texts, the same words
    write("a.txt", "two one")
    expect(await run()).toMatchObject({ executed: ["cut"] })
  })

  it("sets parameters of all of them", async () => {
    await run()
    const marked = await run("--set", "turn.mark=!")
    expect((marked as { executed: ReadonlyArray<string> }).executed).toHaveLength(8)
    expect(text("outputs/join/word.txt")).toContain("one=ENO!")
  })

  it("keeps one branch's trouble its own, and says which failed", async () => {
    write("c.txt", "bad")
    const failed = await command("run", "--json", "--keep-going")
    expect(failed.code).toBe(1)
    expect(lastEvent(failed)).toMatchObject({ failed: ["turn[bad]"], skipped: ["shout[bad]", "join", "list"] })
    expect(existsSync(path.join(root, "outputs/shout/two/word.txt"))).toBe(true)
    rmSync(path.join(root, "texts/c.txt"))
    expect(await run()).toMatchObject({ executed: ["cut", "join", "list"], failed: [] })
  })
})

describe("the other verbs", () => {
  it("status: pending while it is not known for what, then counted", async () => {
    const before = (await command("status")).stdout
    expect(before).toContain("… turn  pending: one step for each entry of cut.words")
    expect(before).toContain("… shout  pending: one step for each entry of turn")
    await run()
    expect((await command("status")).stdout).toContain("✓ shout ×3  fresh")
    const stale = (await command("status", "--set", "turn.mark=!")).stdout
    expect(stale).toContain("▶ turn ×3  3 of 3 stale: one, three, two")
    const json = JSON.parse((await command("status", "--json")).stdout)
    const turned = json.steps.find((step: { id: string }) => step.id === "turn")
    expect(turned.branches.map((each: { id: string }) => each.id)).toEqual(["turn[one]", "turn[three]", "turn[two]"])
  })

  it("why, logs and --only take a branch by its name", async () => {
    expect(await run("--only", "shout[two]")).toMatchObject({
      executed: expect.arrayContaining(["cut", "turn[two]", "shout[two]"])
    })
    expect(existsSync(path.join(root, "outputs/shout/one"))).toBe(false)
    expect((await command("why", "shout[two]")).stdout).toContain("shout[two] is fresh")
    const unknown = await command("run", "--only", "shout[nine]")
    expect(unknown.code).toBe(2)
    expect(unknown.stdout).toContain(`expected the name of a branch, but found "nine", which is none of 3`)
    expect((await command("why", "shout[nine]")).code).toBe(2)
    const notForced = await command("run", "--force", "shout[nine]")
    expect(notForced.code).toBe(2)
    expect(notForced.stdout).toContain(`expected the name of a branch, but found "nine", which is none of 3`)
    expect((await command("logs", "shout[two]")).code).toBe(0)
    const all = await command("logs", "shout")
    expect([all.code, all.stderr]).toEqual([2, expect.stringContaining("expected one of its branches, shout[NAME]")])
    const unknownLog = await command("logs", "shout[nine]")
    expect([unknownLog.code, unknownLog.stderr]).toEqual([
      2,
      expect.stringContaining("a branch that has a log or a result")
    ])
    const forced = await run("--force", "shout[two]", "--only", "shout")
    expect(forced).toMatchObject({ executed: expect.arrayContaining(["shout[two]"]) })
  })

  it("a dry run knows the branches that are asked for, and refuses what is none, as the run does", async () => {
    expect((await command("why", "shout[two]")).stderr).toContain(
      "expected the name of a branch of shout, but found none yet: it is pending, one step for each entry of turn"
    )
    await run("--until", "turn")
    const dry = await command("run", "--dry-run", "--json", "--only", "turn[two]", "--set", "turn.mark=!")
    expect(events(dry)).toContainEqual({
      type: "StepPlanned",
      step: "turn",
      state: "stale",
      reasons: ["1 of 1 stale: two"],
      branches: 1
    })
    const unknown = await command("run", "--dry-run", "--only", "turn[nine]")
    expect(unknown.code).toBe(2)
    expect(unknown.stderr).toContain(`expected the name of a branch, but found "nine", which is none of 3`)
  })

  it("a sweep runs the branches that are asked for, and no others", async () => {
    const swept = await command("sweep", "--json", "--set", "turn.mark=!,?", "--only", "turn[two]")
    const finished = swept.stdout.split("\n").filter((line) => line.includes('"SettingFinished"'))
    expect(finished.map((line) => JSON.parse(line).executed).sort()).toEqual([["cut", "turn[two]"], ["turn[two]"]])
    expect(JSON.stringify(finished)).not.toContain("turn[one]")
  })

  it("status names a step once whose outputs are read in two ways, before it is known for what it stands", async () => {
    own(`import { Stage } from "../../../core/index.ts"
const texts = Pipeline.source({ name: "texts", artifact: stages.Texts })
const words = Pipeline.step(stages.cut, { inputs: { texts: texts.port } })
const turned = Pipeline.each(stages.turn, { over: { word: Pipeline.entries(words.out.words, stages.Word) } })
const both = Stage.command({ name: "both", command: 'ls "$a" "$b" > "$word"', inputs: { a: Artifact.many(stages.Word), b: Artifact.many(stages.Word) }, output: { word: stages.Word } })
export default Pipeline.make({ name: "words", steps: [Pipeline.step(both, { inputs: { a: turned.out.word, b: turned.out.word } })] })`)
    expect((await command("status")).stdout).toMatch(/both {2}pending: waits for turn$/mu)
  })

  it("names the log of a branch so that a shell takes it", async () => {
    own(`import { Stage } from "../../../core/index.ts"
const texts = Pipeline.source({ name: "texts", artifact: stages.Texts })
const fail = Stage.command({ name: "fail", command: "echo no; false", inputs: { word: stages.Word }, output: { loud: stages.Word } })
const word = Pipeline.entries(texts.port, stages.Word, { match: "*.txt" })
export default Pipeline.make({ name: "words", steps: [Pipeline.each(fail, { over: { word } })] })`)
    rmSync(path.join(root, "texts/a.txt"))
    rmSync(path.join(root, "texts/b.txt"))
    write("it's.txt", "x")
    const failed = await command("run")
    expect(failed.stdout).toContain("All that it printed: op-pipe logs 'fail[it'\\''s]'")
  })

  it("--force of the step runs all of its branches", async () => {
    await run()
    const forced = await run("--force", "turn")
    expect(sorted((forced as { executed: unknown }).executed)).toEqual(["turn[one]", "turn[three]", "turn[two]"])
  })

  it("restore brings back the branches of a run, and those alone", async () => {
    await run()
    const [{ runId }] = JSON.parse((await command("history", "--json")).stdout).runs
    rmSync(path.join(root, "texts/a.txt"))
    await run()
    expect(existsSync(path.join(root, "outputs/turn/one"))).toBe(false)
    expect((await command("restore", runId)).code).toBe(0)
    expect(text("outputs/turn/one/word.txt")).toBe("eno")
    await run()
    expect(existsSync(path.join(root, "outputs/turn/one"))).toBe(false)
  })

  it("dag draws the step once, and a run tells how many it stands for", async () => {
    expect((await command("dag")).stdout).toMatch(/shout +← turn/)
    expect((await command("dag", "--status")).stdout).toMatch(/shout +pending +← turn/)
    const placed = events(await command("run", "--json")).filter(({ type }) => type === "StepPlaced")
    expect(placed).toEqual([
      { type: "StepPlaced", step: "turn", branches: 3 },
      { type: "StepPlaced", step: "shout", branches: 3 }
    ])
    expect((await command("dag", "--status")).stdout).toMatch(/shout +fresh ×3 +← turn/)
    const { nodes } = JSON.parse((await command("dag", "--status", "--json")).stdout)
    expect(nodes.find((node: { id: string }) => node.id === "turn")).toMatchObject({ state: "fresh", branches: 3 })
  })
})

/** A project with a pipeline of its own over the stages of the fixture. */
const own = (pipeline: string): void => {
  mkdirSync(path.join(root, "test/fixtures/many"), { recursive: true })
  writeFileSync(
    path.join(root, "test/fixtures/many/pipeline.ts"),
    `import { Artifact, Pipeline } from "../../../core/index.ts"\nimport * as stages from "./stages.ts"\n${pipeline}`
  )
}

describe("over sources, lists, pairs", () => {
  it("the files of a source: a change of one runs one, a change during the run is noticed", async () => {
    own(`const texts = Pipeline.source({ name: "texts", artifact: stages.Texts })
const turned = Pipeline.each(stages.turn, { over: { word: Pipeline.entries(texts.port, stages.Word, { match: "**.txt" }) } })
export default Pipeline.make({ name: "words", steps: [Pipeline.step(stages.join, { inputs: { words: turned.out.word } })] })`)
    mkdirSync(path.join(root, "texts/deep"))
    write("deep/c.txt", "abc")
    write("notes.md", "no")
    expect(sorted(((await run()) as { executed: unknown }).executed)).toEqual(
      sorted(["turn[a]", "turn[b]", "turn[deep/c]", "join"])
    )
    expect(text("outputs/turn/deep/c/word.txt")).toBe("cba")
    expect(text("outputs/join/word.txt")).toBe("a=owt eno\nb=eerht\ndeep/c=cba")
    write("a.txt", "changed")
    expect(await run()).toMatchObject({ executed: ["turn[a]", "join"] })
    expect((await command("why", "turn[a]", "--set", "turn.mark=x")).stdout).toContain("parameter mark")
    write("notes.md", "still no")
    expect(await run()).toMatchObject({ executed: [] })
    // a sample that leads nowhere is not left out in silence
    symlinkSync("nowhere", path.join(root, "texts/d.txt"))
    const dangling = await command("run")
    expect(dangling.code).toBe(2)
    expect(dangling.stdout).toContain(
      "the entries of texts: expected files, but found d.txt, a link that leads nowhere"
    )
  })

  it("folders of a source, each an input of its own", async () => {
    own(`import { Stage } from "../../../core/index.ts"
const Sample = Artifact.folder({ tag: "Sample/v1", path: "sample" })
const size = Stage.command({ name: "size", command: 'ls "$sample" > "$word"', inputs: { sample: Sample }, output: { word: stages.Word } })
const texts = Pipeline.source({ name: "texts", artifact: stages.Texts })
const sized = Pipeline.each(size, { over: { sample: Pipeline.entries(texts.port, Sample) } })
export default Pipeline.make({ name: "words", steps: [Pipeline.step(stages.join, { inputs: { words: sized.out.word } })] })`)
    for (const name of ["s1", "s2"]) mkdirSync(path.join(root, "texts", name))
    for (const name of ["s1/x", "s1/y", "s2/z"]) write(name, name)
    expect(sorted(((await run()) as { executed: unknown }).executed)).toEqual(["join", "size[s1]", "size[s2]"])
    expect(text("outputs/join/word.txt")).toBe("s1=x\ny\n\ns2=z\n")
    write("s1/w", "w")
    expect(await run()).toMatchObject({ executed: ["size[s1]", "join"] })
  })

  it("folders with links out of the source, and to one another: each finds what all of them lead to", async () => {
    own(`import { Stage } from "../../../core/index.ts"
const Sample = Artifact.folder({ tag: "Sample/v1", path: "sample" })
const read = Stage.command({ name: "read", command: 'cat "$sample"/shared/x "$sample"/other > "$word"', inputs: { sample: Sample }, output: { word: stages.Word } })
const texts = Pipeline.source({ name: "texts", artifact: stages.Texts })
export default Pipeline.make({ name: "words", steps: [
  Pipeline.each(read, { over: { sample: Pipeline.entries(texts.port, Sample, { match: "s*" }) } })] })`)
    mkdirSync(path.join(root, "shared"))
    writeFileSync(path.join(root, "shared/x"), "shared ")
    mkdirSync(path.join(root, "texts/plain"))
    write("plain/other", "other")
    // the second finds what the first leads to already
    for (const name of ["s1", "s2"]) {
      mkdirSync(path.join(root, "texts", name))
      symlinkSync("../../shared", path.join(root, "texts", name, "shared"))
      symlinkSync("../plain/other", path.join(root, "texts", name, "other"))
    }
    symlinkSync("s1", path.join(root, "texts/s3"))
    const first = await run()
    expect(first).toMatchObject({ failed: [] })
    for (const name of ["1", "2", "3"]) expect(text(`outputs/read/${name}/word.txt`)).toBe("shared other")
    write("plain/other", "another")
    expect(await run()).toMatchObject({ failed: [] })
    expect(text("outputs/read/3/word.txt")).toBe("shared another")
  })

  it("files of one content: executes once, also where it is forced, and says nothing of waiting for itself", async () => {
    own(`const texts = Pipeline.source({ name: "texts", artifact: stages.Texts })
const turned = Pipeline.each(stages.turn, { over: { word: Pipeline.entries(texts.port, stages.Word, { match: "*.txt" }) } })
export default Pipeline.make({ name: "words", steps: [turned] })`)
    for (const name of ["a.txt", "b.txt", "c.txt", "d.txt"]) write(name, "same")
    for (const more of [[], ["--force"]]) {
      const ran = await command("run", "--json", "--cores", "2", ...more)
      expect(events(ran).filter(({ type }) => type === "Notice")).toEqual([])
      const { executed, cached } = lastEvent(ran) as { executed: ReadonlyArray<string>; cached: ReadonlyArray<string> }
      expect([executed.length, cached.length]).toEqual([1, 3])
    }
    for (const name of ["a", "b", "c", "d"]) expect(text(`outputs/turn/${name}/word.txt`)).toBe("emas")
  })

  it("the items of a list, by their names; refuses names that clash", async () => {
    own(`const texts = Pipeline.source({ name: "texts", artifact: stages.Texts })
const words = Pipeline.step(stages.cut, { inputs: { texts: texts.port } })
const each = Pipeline.items(words.out.lengths, stages.Length, { nameOf: ({ length }) => "l" + length })
export default Pipeline.make({ name: "words", steps: [Pipeline.each(stages.count, { over: { one: each } })] })`)
    write("a.txt", "four")
    expect(await run()).toMatchObject({ executed: ["cut", "count[l4]", "count[l5]"] })
    expect(JSON.parse(text("outputs/count/l4/length.json"))).toEqual({ length: 4 })
    write("c.txt", "also")
    const clash = await command("run")
    expect(clash.code).toBe(2)
    expect(clash.stdout).toContain(
      `count  the entries of cut.lengths: expected names that differ, but found two called "l4"`
    )
  })

  it("two of one name, or each with each", async () => {
    const pairs = (how: string) => `const texts = Pipeline.source({ name: "texts", artifact: stages.Texts })
const word = Pipeline.entries(texts.port, stages.Word, { match: "*.txt" })
const turned = Pipeline.each(stages.turn, { over: { word } })
const both = Pipeline.each(stages.pair, { over: { a: word, b: turned.out.word }, how: "${how}" })
export default Pipeline.make({ name: "words", steps: [both] })`
    own(pairs("zip"))
    write("a.txt", "ab")
    write("b.txt", "cd")
    await run()
    expect(text("outputs/pair/a/word.txt")).toBe("abba")
    own(pairs("product"))
    expect(await run()).toMatchObject({ executed: ["pair[a,b]", "pair[b,a]"] })
    expect(text("outputs/pair/a,b/word.txt")).toBe("abdc")
    expect(
      readdirSync(path.join(root, "outputs/pair"))
        .filter((name) => !name.startsWith("."))
        .sort()
    ).toEqual(["a,a", "a,b", "b,a", "b,b"])
  })

  it("gathered steps, in the order of their names whatever they are wired in", async () => {
    const gathered = (ports: string) => `import { Stage } from "../../../core/index.ts"
const say = (name) => Pipeline.step(
  Stage.command({ name, command: "printf " + name + ' > "$word"', inputs: {}, output: { word: stages.Word } }), { inputs: {} })
const texts = Pipeline.source({ name: "texts", artifact: stages.Texts })
const [a, b] = [say("a").out.word, say("b").out.word]
const words = Pipeline.gather(${ports})
export default Pipeline.make({ name: "words", steps: [
  Pipeline.step(stages.cut, { inputs: { texts: texts.port } }), Pipeline.step(stages.join, { inputs: { words } })] })`
    own(gathered("{ s10: a, s9: b }"))
    await run()
    expect(text("outputs/join/word.txt")).toBe("s9=b\ns10=a")
    own(gathered("{ s9: b, s10: a }"))
    expect(await run()).toMatchObject({ executed: [] })
  })

  it("a step that had a folder of its own makes room for its branches, and the other way round", async () => {
    const cut = `const texts = Pipeline.source({ name: "texts", artifact: stages.Texts })
const words = Pipeline.step(stages.cut, { inputs: { texts: texts.port } })
`
    own(`${cut}
const turned = Pipeline.each(stages.turn, { over: { word: Pipeline.entries(words.out.words, stages.Word) } })
export default Pipeline.make({ name: "words", steps: [turned] })`)
    await run()
    expect(existsSync(path.join(root, "outputs/turn/one.txt/word.txt"))).toBe(true)
    own(`import { Stage } from "../../../core/index.ts"
${cut}
const turn = Stage.command({ name: "turn", command: 'echo plain > "$word"', inputs: {}, output: { word: stages.Word } })
export default Pipeline.make({ name: "words", steps: [words, Pipeline.step(turn, { inputs: {} })] })`)
    expect((await command("run", "--json")).code).toBe(0)
    expect(readdirSync(path.join(root, "outputs/turn"))).toEqual(["word.txt"])
    own(`${cut}
const turned = Pipeline.each(stages.turn, { over: { word: Pipeline.entries(words.out.words, stages.Word) } })
export default Pipeline.make({ name: "words", steps: [turned] })`)
    await run()
    expect(readdirSync(path.join(root, "outputs/turn")).sort()).toEqual([
      ".laid-out",
      "one.txt",
      "three.txt",
      "two.txt"
    ])
  })
})

describe("two runs at once", () => {
  const waiting = `
import { Artifact, Pipeline, Stage } from "./core/index.ts"
const Texts = Artifact.folder({ tag: "Texts/v1", path: "texts" })
const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })
const texts = Pipeline.source({ name: "texts", artifact: Texts, path: "texts" })
const command = 'sleep 3; cp "$text" "$copy"'
const copy = Stage.command({ name: "copy", command, inputs: { text: Text }, output: { copy: Text } })
const steps = [Pipeline.each(copy, { over: { text: Pipeline.entries(texts.port, Text, { match: "*.txt" }) } })]
export default Pipeline.make({ name: "waiting", steps })
`

  it("say once for what they wait, and not for each branch", async () => {
    root = path.join(base, "waiting")
    const files = Object.fromEntries(Array.from({ length: 5 }, (_, at) => [`texts/${at}.txt`, String(at)]))
    makeProject(root, undefined, { ...files, "pipeline.ts": waiting })
    let second: Promise<string> | undefined
    const first = await opPipe(["run", "--json", "--cores", "5"], {
      cwd: root,
      onOutput: (text) => {
        if (second !== undefined || text.split('"StepStarted"').length < 6) return
        second = opPipe(["run", "--json", "--cores", "5"], { cwd: root }).then(({ stdout }) => stdout)
      }
    })
    expect(first.code, first.stdout).toBe(0)
    expect((await second)?.match(/copy is running in process \d+; waiting for its result/gu)).toHaveLength(1)
  })
})
