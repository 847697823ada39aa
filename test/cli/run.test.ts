/** The command line on a small pipeline: what runs, what does not, why, and how it ends. */

import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import * as path from "node:path"
import { beforeEach, describe, expect, it } from "vitest"
import { availability } from "../../core/executor/Sandbox.ts"
import { events, lastEvent, opPipe } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { temporaryFolder } from "../lib/temporary.ts"

const root = path.join(temporaryFolder(), "project")

/** The letters pipeline with its stages copied, the framework linked. */
beforeEach(() => {
  makeProject(root, "letters", { "texts/a.txt": "hello big world\n", "texts/b.txt": "again\n" })
})

const command = (verb: string, ...args: ReadonlyArray<string>): ReadonlyArray<string> => {
  const places = ["--data", "texts", "--store", "store", "--outputs", "outputs"]
  return [verb, "--file", "test/fixtures/letters/pipeline.ts", ...places, ...args]
}
const letters = (verb: string, ...args: ReadonlyArray<string>) => opPipe(command(verb, ...args), { cwd: root })
const run = async (...args: ReadonlyArray<string>) => lastEvent(await letters("run", "--json", ...args))
const all = ["words", "count@words", "count@letters", "print"]
const page = (): string => readFileSync(path.join(root, "outputs/print/pages/page.txt"), "utf8")

describe("run", () => {
  it("executes everything once, and then nothing", async () => {
    const first = await run()
    expect(first).toMatchObject({ executed: all, cached: [], failed: [], skipped: [] })
    expect(page()).toBe("HELLO 4 18 0 UNTIMED!\n")
    expect(readdirSync(path.join(root, "outputs/print/pages"))).toEqual(["empty", "page.txt"])
    expect(await run()).toMatchObject({ executed: [], cached: all })
  })

  it("executes what a parameter reaches, and says why", async () => {
    await run()
    const finished = await letters("run", "--json", "--set", "print.seed=3")
    expect(lastEvent(finished)).toMatchObject({
      executed: ["print"],
      cached: ["words", "count@words", "count@letters"]
    })
    const started = events(finished).filter((event) => event.type === "StepStarted")
    expect(started.map((event) => event.reasons)).toEqual([["parameter seed: 0 -> 3"]])
    // and going back is a hit, from the store
    expect(await run()).toMatchObject({ executed: [], cached: all })
    expect(page()).toBe("HELLO 4 18 0 UNTIMED!\n")
  })

  it("takes a result from another step of the same stage that was made from the same", async () => {
    await run()
    const finished = await letters("run", "--json", "--set", "count(letters).unit=words")
    expect(lastEvent(finished)).toMatchObject({
      executed: ["print"],
      cached: ["words", "count@words", "count@letters"]
    })
    const started = events(finished).filter((event) => event.type === "StepStarted")
    expect(started.map((event) => event.reasons)).toEqual([["input count(letters).count changed"]])
  })

  it("stops the ripple where outputs are the same", async () => {
    await run()
    writeFileSync(path.join(root, "texts/c.txt"), "\n")
    const finished = await letters("run", "--json")
    // an empty word more in `words`, none of length >= 1: the list is the same
    expect(lastEvent(finished)).toMatchObject({
      executed: ["words"],
      cached: ["count@words", "count@letters", "print"]
    })
    expect(events(finished).find((event) => event.type === "StepStarted")?.reasons).toEqual([
      "input texts: 1 added (c.txt)"
    ])
  })

  it("sees a constant in a helper, and not a comment", async () => {
    await run()
    const helper = path.join(root, "test/fixtures/letters/helper.ts")
    appendFileSync(helper, "\n// a remark\n")
    expect(await run()).toMatchObject({ executed: [] })
    writeFileSync(helper, readFileSync(helper, "utf8").replace('"!"', '"?"'))
    const finished = await letters("run", "--json")
    // every stage of this pipeline stands in the module that imports the helper
    expect(lastEvent(finished).executed).toEqual(all)
    expect(finished.stdout).toContain("code: mark in test/fixtures/letters/helper.ts changed")
    expect(page()).toBe("HELLO 4 18 0 UNTIMED?\n")
  })

  it("puts back outputs that were deleted, edited or strayed in, without executing", async () => {
    await run()
    const folder = path.join(root, "outputs/print/pages")
    for (const harm of [
      () => rmSync(path.join(root, "outputs"), { recursive: true }),
      () => writeFileSync(path.join(folder, "page.txt"), "edited"),
      () => writeFileSync(path.join(folder, "stray.txt"), ""),
      () => rmSync(path.join(folder, "empty"), { recursive: true })
    ]) {
      harm()
      const finished = await letters("run", "--json")
      expect(lastEvent(finished).executed).toEqual([])
      expect(events(finished).filter((event) => event.type === "StepCached" && event.step === "print")).toMatchObject([
        { restored: true }
      ])
      expect(page()).toBe("HELLO 4 18 0 UNTIMED!\n")
      expect(readdirSync(folder)).toEqual(["empty", "page.txt"])
    }
  })

  it("never serves a damaged blob: it is found and made again", async () => {
    await run()
    const blobs = path.join(root, "store/v1/blobs")
    const page_ = readdirSync(blobs, { recursive: true, encoding: "utf8" })
      .map((name) => path.join(blobs, name))
      .find((file) => statSync(file).isFile() && readFileSync(file, "utf8").startsWith("HELLO"))!
    rmSync(page_)
    writeFileSync(page_, "HELLO 4 18 1 UNTIMED!\n")
    rmSync(path.join(root, "outputs"), { recursive: true })
    const finished = await letters("run", "--json")
    expect(lastEvent(finished)).toMatchObject({
      executed: ["print"],
      cached: ["words", "count@words", "count@letters"]
    })
    expect(finished.stdout).toContain("a stored file of the result is missing or damaged")
    expect(page()).toBe("HELLO 4 18 0 UNTIMED!\n")
  })

  it("keeps the result of code that was edited after it was loaded, under the key of what ran", async () => {
    const helper = path.join(root, "test/fixtures/letters/helper.ts")
    const original = readFileSync(helper, "utf8")
    let edited = false
    const finished = await opPipe(command("run", "--json", "--set", "words.waitMs=1500"), {
      cwd: root,
      onOutput: (text) => {
        if (edited || !text.includes("StepProgress")) return
        edited = true
        writeFileSync(helper, original.replace('"!"', '"?"'))
      }
    })
    const done = events(finished).find((event) => event.type === "StepExecuted")
    expect(edited).toBe(true)
    expect(done).toMatchObject({ step: "words" })
    writeFileSync(helper, original)
    expect((await run("--set", "words.waitMs=1500")).cached).toContain("words")
  })

  it("--only brings a step and what it needs up to date, nothing else", async () => {
    expect(await run("--only", "count(words)")).toMatchObject({ executed: ["words", "count@words"], cached: [] })
    expect(await run("--only", "count@words")).toMatchObject({ executed: [], cached: ["words", "count@words"] })
    expect(existsSync(path.join(root, "outputs/print"))).toBe(false)
  })

  it("--force executes a step that is fresh, --force alone every step", async () => {
    await run()
    expect(await run("--force", "print")).toMatchObject({ executed: ["print"] })
    expect(await run("--force")).toMatchObject({ executed: all })
    expect(await run("--force=words")).toMatchObject({ executed: ["words"] })
  })

  it("--dry-run tells the states and runs nothing", async () => {
    await run()
    const finished = await letters("run", "--json", "--dry-run", "--set", "words.minimum=5")
    expect(events(finished)).toMatchObject([
      { step: "words", state: "stale", reasons: ["parameter minimum: 1 -> 5"] },
      { step: "count@words", state: "pending", reasons: ["waits for words"] },
      { step: "count@letters", state: "pending" },
      { step: "print", state: "pending" }
    ])
    expect(await run()).toMatchObject({ executed: [] })
  })
})

describe("endings", () => {
  it.each([
    ["stage", 1, "the ink ran out"],
    ["input", 2, "no text"],
    ["exit", 1, "exit code 9"],
    ["bug", 1, "it threw Error: a slip of the pen"]
  ])("a failure of the kind %s ends with %i, keeps nothing and skips the rest", async (kind, code, said) => {
    const finished = await letters("run", "--json", "--set", `words.fail=${kind}`)
    expect(finished.code).toBe(code)
    expect(lastEvent(finished)).toMatchObject({
      executed: [],
      failed: ["words"],
      skipped: ["count@words", "count@letters", "print"]
    })
    const failure = events(finished).find((event) => event.type === "StepFailed")
    expect(failure?.reason).toContain(said)
    expect(await run()).toMatchObject({ executed: all })
  })

  it.each([
    [["run", "--set", "words.fail=maybe"], 'one of "no", "notice", "stage"'],
    [["run", "--set", "words.lenght=3"], "minimum, fail, waitMs"],
    [["run", "--set", "wordz.minimum=3"], "count@letters"],
    [["run", "--set", "words.minimum"], "step.parameter=value"],
    [["run", "--set", "words.minimum=77"], "minimum"],
    [["run", "--profile", "huge"], "long, all"],
    [["run", "--only", "printt"], "count@letters, print"],
    [["run", "--data", "nowhere"], "nothing there"],
    [["run", "--seed", "-1"], "seed"],
    [["run", "--unknown"], "--unknown"],
    [["why", "nothing"], "count@letters"],
    [["launch"], "launch"]
  ])("bad usage %j ends with 2 and names what would do", async (args, said) => {
    const [verb, ...rest] = args
    const finished = await letters(verb!, ...rest)
    expect(finished.code).toBe(2)
    expect(finished.stderr).toContain(said)
    expect(finished.stderr).not.toContain("    at ")
    expect(existsSync(path.join(root, "outputs"))).toBe(false)
  })
})

describe("status and why", () => {
  it("tell states and reasons as JSON", async () => {
    const sealed = availability().available
    const status = async () =>
      JSON.parse((await letters("status", "--json")).stdout) as { readonly steps: ReadonlyArray<unknown> }
    expect(await status()).toEqual({
      steps: [
        { id: "words", state: "never run", reasons: ["first run"], sealed: null },
        { id: "count@words", state: "never run", reasons: ["waits for words"], sealed: null },
        { id: "count@letters", state: "never run", reasons: ["waits for words"], sealed: null },
        { id: "print", state: "never run", reasons: ["waits for words, count(words), count(letters)"], sealed: null }
      ]
    })
    await run()
    expect(await status()).toEqual({ steps: all.map((id) => ({ id, state: "fresh", reasons: [], sealed })) })
    rmSync(path.join(root, "outputs/words/words.json"))
    writeFileSync(path.join(root, "outputs/print/extra.txt"), "")
    expect((await letters("why", "words")).stdout).toContain("words is fresh")
    expect((await letters("why", "words")).stdout).toContain("outputs/words: 1 removed (words.json); the next run")
    expect((await status()).steps.at(-1)).toMatchObject({
      state: "fresh",
      sealed,
      reasons: [expect.stringContaining("outputs/print: 1 added (extra.txt)")]
    })
    await run()
    expect(await status()).toEqual({ steps: all.map((id) => ({ id, state: "fresh", reasons: [], sealed })) })
    rmSync(path.join(root, "outputs"), { recursive: true })
    mkdirSync(path.join(root, "outputs/words"), { recursive: true })
    writeFileSync(path.join(root, "outputs/words/notes.txt"), "mine")
    const occupied = "outputs/words: 1 added (notes.txt), 1 removed (words.json); op-pipe did not write what is there"
    expect((await letters("why", "words")).stdout).toContain(occupied)
    expect((await letters("why", "print")).stdout).toContain("outputs/print: not there; the next run puts them back")
    writeFileSync(path.join(root, "texts/a.txt"), "hello large world\n")
    rmSync(path.join(root, "texts/b.txt"))
    const pending = await letters("why", "count@letters", "--set", "count@letters.unit=words")
    expect(pending.stdout).toMatch(/is pending\n {2}parameter unit: "letters" -> "words"\n {2}waits for words/)
    const why = await letters("why", "words")
    expect(why.stdout).toContain("input texts: 1 removed (b.txt), 1 changed (a.txt)")
  })
})
