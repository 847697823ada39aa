/**
 * Random pipelines with steps for each of many that only a run knows, under random edits, against a model: files added,
 * removed, renamed, emptied, put back; parameters changed; branches that fail. After each a run gives what a clean run would
 * give, executes exactly the steps whose ingredients were never seen, and leaves in `outputs/` what there is and nothing else.
 * Then the same with runs that are killed while they place and run branches.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import * as Exit from "effect/Exit"
import { describe, expect, it } from "vitest"
import type { Artifact } from "../../core/index.ts"
import { Pipeline } from "../../core/index.ts"
import { compare } from "../../core/pipeline/many/Order.ts"
import * as Random from "../../stages/lib/Random.ts"
import { events, lastEvent, opPipe } from "../lib/cli.ts"
import { type Place, placeIn } from "../lib/place.ts"
import { makeProject } from "../lib/project.ts"
import { contents, run } from "../lib/runs.ts"
import { memory, temporaryFolder } from "../lib/temporary.ts"
import { gather as gatherStage, Item, pair, spread, Texts, turn, unpack, Word } from "./manyStages.ts"
import * as values from "./manyValues.ts"
import { full, series, timeoutMs } from "./series.ts"

const base = temporaryFolder(memory)

/** A step in the model: its branches by name, or itself under the name "". A missing value is that of a failed branch. */
interface Made {
  readonly key: string
  readonly value: string | undefined
  /** What it reads is not there. */
  readonly isSkipped?: boolean
}

const skipped: Made = { key: "", value: undefined, isSkipped: true }
type Branches = ReadonlyMap<string, Made>
type Marks = Readonly<Record<string, string>>
type Files = Readonly<Record<string, string>>
type WordPort = Pipeline.ManyPort<Artifact.TextArtifact<"Word/v1">>

/** What the model knows of a step: for all of them what they give, upstream first. */
interface Node {
  readonly id: string
  readonly isEach: boolean
  readonly of: (files: Files, marks: Marks, before: ReadonlyMap<string, Branches>) => Branches
}

interface Built {
  readonly pipeline: Pipeline.Pipeline
  readonly nodes: ReadonlyArray<Node>
}

const keyOf = (...parts: ReadonlyArray<unknown>): string => JSON.stringify(parts)

const turned = (stage: string, mark: string, name: string, word: string, ...more: ReadonlyArray<string>): Made => ({
  key: keyOf(stage, mark, name, word, ...more),
  value: values.turn({ mark, name }, `${word}${more.join("")}`)
})

const mapped = (branches: Branches, change: (value: string) => Made): Branches =>
  new Map(Array.from(branches, ([name, { value }]) => [name, value === undefined ? skipped : change(value)] as const))

const texts = Pipeline.source({ name: "texts", artifact: Texts, ignore: (at) => at.endsWith(".skip") })

/** The files of the source as entries: what ends in `.txt`; a star does not stand for what begins with a dot. */
const fileEntries = (files: Files): ReadonlyArray<readonly [string, string]> =>
  Object.entries(files).flatMap(([name, text]) =>
    name.endsWith(".txt") && !name.startsWith(".") ? [[name.slice(0, -4), text] as const] : []
  )

/** A random pipeline, and the model of it. */
const build = (random: Random.Random): Built => {
  const nodes: Array<Node> = []
  const many: Array<{ readonly id: string; readonly port: WordPort }> = []
  const steps: Array<Pipeline.AnyStep> = []
  const isSpread = upTo(random, 2) > 0
  const words = isSpread ? Pipeline.step(spread, { inputs: { texts: texts.port } }) : undefined
  if (words !== undefined) {
    steps.push(words as unknown as Pipeline.AnyStep)
    nodes.push({
      id: "spread",
      isEach: false,
      of: (files) => {
        const items = values.spread(files)
        return new Map([["", { key: keyOf("spread", Object.entries(files).sort()), value: JSON.stringify(items) }]])
      }
    })
  }
  const itemsIn = (before: ReadonlyMap<string, Branches>): ReadonlyArray<values.Item> =>
    JSON.parse(before.get("spread")?.get("")?.value ?? "[]")
  const first = upTo(random, words === undefined ? 0 : 2)
  const isNamed = upTo(random, 1) === 1
  const named = (name: string): string => (isNamed ? name : "")
  const nameTo = isNamed ? ({ nameTo: "name" } as const) : {}
  if (first === 2) {
    const item = Pipeline.items(words!.out.list, Item, { nameOf: ({ name }) => name })
    const each = Pipeline.each(unpack, { over: { item }, ...nameTo })
    many.push({ id: "unpack", port: each.out.word })
    steps.push(each as unknown as Pipeline.AnyStep)
    nodes.push({
      id: "unpack",
      isEach: true,
      of: (_, marks, before) =>
        new Map(
          itemsIn(before).map((item) => [
            item.name,
            {
              key: keyOf("unpack", marks["unpack"], named(item.name), item),
              value: values.turn({ mark: marks["unpack"]!, name: named(item.name) }, item.word)
            }
          ])
        )
    })
  } else {
    const word =
      first === 1
        ? Pipeline.entries(words!.out.words, Word, { match: "*.txt" })
        : Pipeline.entries(texts.port, Word, { match: "*.txt" })
    const each = Pipeline.each(turn, { variant: "first", over: { word }, ...nameTo })
    many.push({ id: "turn@first", port: each.out.word })
    steps.push(each as unknown as Pipeline.AnyStep)
    nodes.push({
      id: "turn@first",
      isEach: true,
      of: (files, marks, before) => {
        const entries =
          first === 1 ? itemsIn(before).map(({ name, word }) => [name, word] as const) : fileEntries(files)
        return new Map(
          entries.map(([name, word]) => {
            const made = turned("turn", marks["turn@first"]!, named(name), word)
            // a file of a source and an output of the same content are no one input
            return [name, first === 1 ? made : { ...made, key: keyOf("of a source", made.key) }] as const
          })
        )
      }
    })
  }
  const count = upTo(random, 2)
  for (let at = 0; at < count; at++) {
    const from = many[upTo(random, many.length - 1)]!
    const id = `turn@m${at}`
    const each = Pipeline.each(turn, { variant: `m${at}`, over: { word: from.port } })
    many.push({ id, port: each.out.word })
    steps.push(each as unknown as Pipeline.AnyStep)
    nodes.push({
      id,
      isEach: true,
      of: (_, marks, before) => mapped(before.get(from.id)!, (value) => turned("turn", marks[id]!, "", value))
    })
  }
  if (many.length > 1 && upTo(random, 1) === 1) {
    const [a, b] = [many[0]!, many.at(-1)!]
    const isProduct = upTo(random, 1) === 1
    const each = Pipeline.each(pair, { over: { a: a.port, b: b.port }, how: isProduct ? "product" : "zip" })
    many.push({ id: "pair", port: each.out.word })
    steps.push(each as unknown as Pipeline.AnyStep)
    nodes.push({
      id: "pair",
      isEach: true,
      of: (_, marks, before) => {
        const [as, bs] = [before.get(a.id)!, before.get(b.id)!]
        const names = isProduct
          ? Array.from(as.keys()).flatMap((one) => Array.from(bs.keys(), (other) => [`${one},${other}`, one, other]))
          : Array.from(as.keys(), (one) => [one, one, one])
        return new Map(
          names.map(([name, one, other]) => {
            const [x, y] = [as.get(one!)?.value, bs.get(other!)?.value]
            return [
              name!,
              x === undefined || y === undefined ? skipped : turned("pair", marks["pair"]!, "", x, y)
            ] as const
          })
        )
      }
    })
  }
  for (const [at, from] of many.entries()) {
    if (at < many.length - 1 && upTo(random, 1) === 1) continue
    const id = `gather@g${at}`
    steps.push(
      Pipeline.step(gatherStage, {
        variant: `g${at}`,
        inputs: { words: from.port }
      }) as unknown as Pipeline.AnyStep
    )
    nodes.push({
      id,
      isEach: false,
      of: (_, marks, before) => {
        const all = Array.from(before.get(from.id)!)
        if (all.some(([, { value }]) => value === undefined)) return new Map([["", skipped]])
        const inOrder = all.map(([name, { value }]) => [name, value!] as const).sort(([x], [y]) => compare(x, y))
        return new Map([
          [
            "",
            { key: keyOf("gather", marks[id], inOrder), value: values.gather({ mark: marks[id]!, name: "" }, inOrder) }
          ]
        ])
      }
    })
  }
  return { pipeline: Pipeline.make({ name: "many", steps: steps as [] }), nodes }
}

const upTo = (random: Random.Random, most: number): number => random.int(most + 1)

const idOf = (step: string, name: string): string => (name === "" ? step : `${step}[${name}]`)

/** What a run should come to: what each step gives, which fail, and which cannot begin. */
const expectedOf = ({ nodes }: Built, files: Files, marks: Marks) => {
  const before = new Map<string, Branches>()
  for (const node of nodes) before.set(node.id, node.of(files, marks, before))
  const all = Array.from(before).flatMap(([step, branches]) =>
    Array.from(branches, ([name, made]) => ({ id: idOf(step, name), ...made }))
  )
  const failed = all.filter(({ value, isSkipped }) => value === undefined && isSkipped !== true)
  const unmade = all.filter(({ isSkipped }) => isSkipped === true)
  return { before, all, failed: failed.map(({ id }) => id), unmade: unmade.map(({ id }) => id) }
}

const letters = ["one", "two", "three", "four", "fourteen", "fourty", "ten", "10", "9", "bad", "sixsix", "sixsixsix"]
const wordsOf = (random: Random.Random): string =>
  Array.from({ length: upTo(random, 3) }, () => letters[upTo(random, letters.length - 1)]).join(" ")
const fileNames = ["a.txt", "b.txt", "c d.txt", "10.txt", "9.txt", "ü.txt", "other.md", "x.skip", ".hidden.txt"]

class Sequence {
  private readonly place: Place
  private readonly built: Built
  private files: Record<string, string> = {}
  private marks: Record<string, string> = {}
  private readonly seen = new Set<string>()
  private readonly earlier: Array<Record<string, string>> = []

  private readonly random: Random.Random

  constructor(random: Random.Random, root: string) {
    this.random = random
    this.place = placeIn(root)
    mkdirSync(this.place.data, { recursive: true })
    this.built = build(random)
    for (const { id } of this.built.nodes) this.marks[id] = ""
    this.write("a.txt", "one two")
  }

  private write(name: string, text: string): void {
    this.files[name] = text
    writeFileSync(path.join(this.place.data, name), text)
  }

  private remove(name: string): void {
    delete this.files[name]
    rmSync(path.join(this.place.data, name))
  }

  private edit(): string {
    const names = Object.keys(this.files)
    const some = names[upTo(this.random, Math.max(0, names.length - 1))]
    const other = fileNames[upTo(this.random, fileNames.length - 1)]!
    const kind = upTo(this.random, 7)
    if (kind <= 2 || some === undefined) {
      this.write(other, wordsOf(this.random))
      return `write ${other}: ${this.files[other]}`
    }
    if (kind === 3) {
      this.remove(some)
      return `remove ${some}`
    }
    if (kind === 4) {
      this.write(some, "")
      return `empty ${some}`
    }
    if (kind === 5) {
      const text = this.files[some]!
      delete this.files[some]
      renameSync(path.join(this.place.data, some), path.join(this.place.data, other))
      this.files[other] = text
      return `rename ${some} to ${other}`
    }
    if (kind === 6) {
      const then = this.earlier[upTo(this.random, this.earlier.length - 1)] ?? {}
      for (const name of Object.keys(this.files)) this.remove(name)
      for (const [name, text] of Object.entries(then)) this.write(name, text)
      return "put back"
    }
    const steps = Object.keys(this.marks).filter((id) => id !== "spread")
    const step = steps[upTo(this.random, steps.length - 1)]!
    this.marks[step] = ["", "!", "?"][upTo(this.random, 2)]!
    return `mark ${step} ${this.marks[step]}`
  }

  /** The files that the source has: what it ignores is no part of it. */
  private counted(): Files {
    return Object.fromEntries(Object.entries(this.files).filter(([name]) => !name.endsWith(".skip")))
  }

  async round(): Promise<void> {
    this.earlier.push({ ...this.files })
    const edit = this.edit()
    const { all, before, failed, unmade } = expectedOf(this.built, this.counted(), this.marks)
    const set = Object.entries(this.marks).flatMap(([id, mark]) => (id === "spread" ? [] : [`${id}.mark=${mark}`]))
    const exit = await run(this.built.pipeline, this.place, { set, keepGoing: true })
    if (Exit.isFailure(exit)) throw new Error(`${edit}: ${String(exit.cause)}`)
    const { finished } = exit.value.summary
    expect(finished.failed.toSorted(), edit).toEqual(failed.sort())
    expect(finished.skipped.toSorted(), edit).toEqual(unmade.sort())
    const news = new Set(all.flatMap(({ key, value }) => (value === undefined || this.seen.has(key) ? [] : [key])))
    const keys = new Map(all.map(({ id, key }) => [id, key]))
    // of two branches with the same ingredients one is executed, whichever comes first
    expect(finished.executed.map((id) => keys.get(id)).sort(), edit).toEqual(Array.from(news).sort())
    for (const key of news) this.seen.add(key)
    if (failed.length === 0) this.checkOutputs(before, edit)
  }

  private checkOutputs(before: ReadonlyMap<string, Branches>, edit: string): void {
    const found: Record<string, string> = {}
    for (const [name, text] of Object.entries(contents(this.place.outputs))) {
      if (name.includes(".laid-out") || name.startsWith("spread/")) continue
      found[name] = text
    }
    const expected = Array.from(before).flatMap(([step, branches]) =>
      step === "spread"
        ? []
        : Array.from(branches, ([name, { value }]) => [
            path.join(step, name, "word.txt"),
            Buffer.from(value!).toString("latin1")
          ])
    )
    expect(found, edit).toEqual(Object.fromEntries(expected))
  }
}

describe("many, known only at run time", () => {
  it("under random edits: what a clean run gives, nothing made twice", { timeout: timeoutMs }, async () => {
    for (const index of series("many", full ? 10_000 : 40)) {
      const root = path.join(base, String(index))
      const sequence = new Sequence(Random.make(77, index), root)
      try {
        for (let round = 0; round < 8; round++) await sequence.round()
      } catch (error) {
        throw new Error(`sequence ${index}: ${String((error as Error).stack ?? error)}`)
      }
      rmSync(root, { recursive: true })
    }
  })

  it("killed while branches are placed and run: the next run goes on, and nothing is made twice", {
    timeout: timeoutMs
  }, async () => {
    for (const index of series("killed", full ? 200 : 2)) {
      const random = Random.make(78, index)
      const root = path.join(base, "killed")
      const files = Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`texts/${at}.txt`, `w${at}`]))
      makeProject(root, "many", files)
      const args = [
        "--file",
        "test/fixtures/many/pipeline.ts",
        "--data",
        "texts",
        "--store",
        "store",
        "--outputs",
        "outputs"
      ]
      const stopAfter = 1 + random.int(60)
      let told = 0
      const killed = await opPipe(["run", "--json", ...args], {
        cwd: root,
        onOutput: (text, kill) => {
          told = text.split("\n").length
          if (told > stopAfter) kill("SIGKILL")
        }
      })
      const done = events(killed).filter(({ type }) => type === "StepExecuted")
      const names = done.map((event) => (event as { readonly step: string }).step)
      const again = await opPipe(["run", "--json", ...args], { cwd: root })
      expect(again.code).toBe(0)
      const { executed } = lastEvent(again) as { readonly executed: ReadonlyArray<string> }
      expect(executed.filter((id) => names.includes(id))).toEqual([])
      const turned = readdirSync(path.join(root, "outputs/shout")).filter((name) => !name.startsWith("."))
      expect(turned).toHaveLength(12)
      const lines = readFileSync(path.join(root, "outputs/join/word.txt"), "utf8").split("\n")
      expect(lines[0]).toBe("w0=0W")
      expect(lines).toHaveLength(12)
      expect(lastEvent(await opPipe(["run", "--json", ...args], { cwd: root }))).toMatchObject({ executed: [] })
    }
  })
})
