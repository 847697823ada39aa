/**
 * Complaints of what is in a cache key and what is not: results served stale, steps run again for nothing, reasons not told.
 * Each test is named by the row of the table of complaints and the issues that it answers.
 */
import { spawnSync } from "node:child_process"
import { cpSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { describe, expect, it } from "vitest"
import { CodeIdentity } from "../../cache/code/CodeIdentity.ts"
import * as CacheKey from "../../cache/identity/CacheKey.ts"
import * as Digest from "../../cache/identity/Digest.ts"
import * as Commit from "../../cache/store/Commit.ts"
import { Disk } from "../../cache/store/Disk.ts"
import * as Layout from "../../cache/store/Layout.ts"
import { Executor, StepError } from "../../core/executor/Executor.ts"
import { Pipeline, Stage } from "../../core/index.ts"
import letters from "../fixtures/letters/pipeline.ts"
import { repository } from "../lib/cli.ts"
import * as InProcessExecutor from "../lib/InProcessExecutor.ts"
import { letterSteps, newPlace, placeIn } from "../lib/place.ts"
import { contents, inStore } from "../lib/runs.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"
import { doing, pastTheTick, planned, ran, recordsOf, Texts, Value, writeValue } from "./support.ts"

/** A stage whose module is the made-up file `file` of a project at `root`. */
const stageIn = (root: string, file: string, name: string) =>
  Stage.make({
    name,
    source: pathToFileURL(path.join(root, file)).href,
    params: Schema.Struct({}),
    inputs: {},
    output: { value: Value },
    run: () => Effect.void
  })
const valueOfItsName = doing((task) => writeValue(task, task.step))

/** A project whose stage `a` reaches `lib/far.ts` and the package `tool` over two imports, and whose stage `b` does not. */
const project = (): string => {
  const root = temporaryFolder()
  writeFiles(root, {
    "package.json": "{}",
    "a.ts": `import { near } from "./lib/near.ts"\nexport const run = () => near`,
    "b.ts": `import { other } from "./lib/other.ts"\nexport const run = () => other`,
    "lib/near.ts": `import { far } from "./far.ts"\nexport const near = far + 1`,
    "lib/far.ts": `import { tool } from "tool"\nexport const far = tool(1)`,
    "lib/other.ts": "export const other = 1",
    "node_modules/tool/package.json": `{"name":"tool","version":"1.0.0"}`,
    "texts/a.txt": "one"
  })
  return root
}

describe("code", () => {
  it("1 (dvc#1577, dvc#9195, redun#99, zenml#1011, zenml#3993, flyte#2899, prefect PR#16928): a helper two imports away that is edited, or its package upgraded, reruns the stages that reach it, and no other", async () => {
    const root = project()
    const place = placeIn(root)
    const [a, b] = ["a", "b"].map((each) => Pipeline.step(stageIn(root, `${each}.ts`, each), { inputs: {} }))
    const pipeline = Pipeline.make({ name: "helpers", steps: [a!, b!] })
    const run = () => ran(pipeline, place, { executor: valueOfItsName })
    expect((await run()).executed).toEqual(["a", "b"])
    expect((await run()).executed).toEqual([])
    writeFileSync(path.join(root, "lib/far.ts"), `import { tool } from "tool"\nexport const far = tool(2)`)
    const edited = await run()
    expect(edited).toMatchObject({ executed: ["a"], cached: ["b"] })
    expect(edited.reasons["a"]).toEqual(["code: far in lib/far.ts changed"])
    writeFileSync(path.join(root, "node_modules/tool/package.json"), `{"name":"tool","version":"1.0.1"}`)
    const upgraded = await run()
    expect(upgraded).toMatchObject({ executed: ["a"], cached: ["b"] })
    expect(upgraded.reasons["a"]).toEqual([`package tool: "1.0.0" -> "1.0.1"`])
    writeFileSync(path.join(root, "lib/other.ts"), "export const other = 2")
    expect(await run()).toMatchObject({ executed: ["b"], cached: ["a"] })
  })

  it("2 (redun#99, prefect#23062): a constant of the module counts, and stages of the same text share nothing", async () => {
    const root = temporaryFolder()
    const text = (limit: number): string => `const limit = ${limit}\nexport const run = () => limit`
    writeFiles(root, { "package.json": "{}", "one.ts": text(3), "two.ts": text(3), "texts/a.txt": "" })
    const place = placeIn(root)
    const steps = [
      ["one.ts", "first"],
      ["one.ts", "second"],
      ["two.ts", "third"]
    ].map(([file, name]) => Pipeline.step(stageIn(root, file!, name!), { inputs: {} }))
    const pipeline = Pipeline.make({ name: "constants", steps })
    const run = () => ran(pipeline, place, { executor: valueOfItsName })
    const { executed, keys } = await run()
    expect(executed).toEqual(["first", "second", "third"])
    expect(new Set(Object.values(keys)).size).toBe(3)
    for (const step of executed) {
      expect(JSON.parse(readFileSync(path.join(place.outputs, step, "value.json"), "utf8"))).toBe(step)
    }
    writeFileSync(path.join(root, "one.ts"), text(4))
    expect(await run()).toMatchObject({ executed: ["first", "second"], cached: ["third"] })
  })

  it("2 (redun#99, prefect#23062): statements that change places are another module, functions that do are the same", async () => {
    const root = temporaryFolder()
    const lines = ["let n = 0", "const next = () => ++n", "const a = next()", "const b = next()"]
    const functions = ["function one() {}", "function two() {}"]
    const write = (...texts: ReadonlyArray<string | undefined>) => writeFiles(root, { "one.ts": texts.join("\n") })
    writeFiles(root, { "package.json": "{}", "texts/a.txt": "" })
    write(...lines, ...functions)
    const steps = [Pipeline.step(stageIn(root, "one.ts", "first"), { inputs: {} })]
    const pipeline = Pipeline.make({ name: "order", steps })
    const run = () => ran(pipeline, placeIn(root), { executor: valueOfItsName })
    expect((await run()).executed).toEqual(["first"])
    write(...functions.toReversed(), ...lines)
    expect((await run()).executed).toEqual([])
    write(lines[0], lines[1], lines[3], lines[2], ...functions)
    expect((await run()).reasons).toEqual({ first: ["code: the order of statements in one.ts changed"] })
  })

  it("2 (redun#99): stages of one name, in modules that import each other, share nothing", async () => {
    const root = temporaryFolder()
    writeFiles(root, {
      "package.json": "{}",
      "a.ts": `import "./b.ts"\nexport const a = 1`,
      "b.ts": `import "./a.ts"\nexport const b = 1`,
      "texts/a.txt": ""
    })
    const steps = ["a", "b"].map((each) =>
      Pipeline.step(stageIn(root, `${each}.ts`, "x"), { inputs: {}, variant: each })
    )
    const { executed, keys } = await ran(Pipeline.make({ name: "twins", steps }), placeIn(root), {
      executor: valueOfItsName
    })
    expect(executed).toEqual(["x@a", "x@b"])
    expect(new Set(Object.values(keys)).size).toBe(2)
  })

  it("3 (smk#1694, dvc#3004): the study's sources, formatted otherwise and commented throughout, are the same code", async () => {
    const root = temporaryFolder()
    const folders = ["cache", "charts", "core", "demo", "engine", "schemas", "stages"]
    for (const each of [...folders, "package.json"]) {
      cpSync(path.join(repository, each), path.join(root, each), { recursive: true })
    }
    symlinkSync(path.join(repository, "node_modules"), path.join(root, "node_modules"))
    const stages = ["split", "augment", "train", "gradstats", "logits", "compare"]
    const identities = (store: string) =>
      Effect.gen(function* () {
        const identity = yield* CodeIdentity
        return yield* Effect.forEach(stages, (stage) =>
          Effect.map(identity.of(pathToFileURL(path.join(root, `stages/${stage}.ts`)).href), ({ code }) => code)
        )
      }).pipe(
        Effect.provide(CodeIdentity.layerIn(path.join(root, store)).pipe(Layer.provideMerge(Disk.layer))),
        Effect.runPromise
      )
    const sources = () =>
      folders.flatMap((folder) =>
        Array.from(Object.entries(contents(path.join(root, folder))))
          .filter(([name]) => name.endsWith(".ts"))
          .map(([name]) => path.join(root, folder, name))
      )
    const before = await identities("before")
    expect(Object.keys(before[2]!.modules).length).toBeGreaterThan(20)
    writeFiles(root, {
      "biome.json": JSON.stringify({
        formatter: { indentStyle: "tab", lineWidth: 70 },
        javascript: {
          formatter: { semicolons: "always", quoteStyle: "single", trailingCommas: "all", arrowParentheses: "asNeeded" }
        }
      })
    })
    const biome = path.join(repository, "node_modules/@biomejs/biome/bin/biome")
    const asTheyWere = sources().map((file) => readFileSync(file, "utf8"))
    const formatted = spawnSync(process.execPath, [biome, "format", "--write", ...folders], {
      cwd: root,
      encoding: "utf8"
    })
    expect(formatted.status, formatted.stderr).toBe(0)
    let changed = 0
    for (const [index, file] of sources().entries()) {
      const text = readFileSync(file, "utf8")
      if (text !== asTheyWere[index]) changed++
      writeFileSync(file, `// reviewed\n${text}\n/* and\n * that is all\n */\ntype Remark = "none"\n`)
    }
    expect(changed).toBeGreaterThan(100)
    expect(await identities("after")).toEqual(before)
  })
})

describe("parameters", () => {
  const params = {
    one: Schema.Struct({ rate: Schema.Finite.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))) }),
    two: Schema.Struct({
      depth: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(2))),
      rate: Schema.Finite.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1)))
    })
  }
  /** The schema alone differs: the module is one and the same file. */
  const withParams = (root: string, schema: Schema.Codec<object, unknown>): Pipeline.Pipeline => {
    const stage = Stage.make({
      name: "tuned",
      source: pathToFileURL(path.join(root, "tuned.ts")).href,
      params: schema,
      inputs: {},
      output: { value: Value },
      run: () => Effect.void
    })
    return Pipeline.make({ name: "tuned", steps: [Pipeline.step(stage, { inputs: {} })] })
  }
  const tuned = () => {
    const root = temporaryFolder()
    writeFiles(root, { "package.json": "{}", "tuned.ts": "export const run = 1", "texts/a.txt": "" })
    const [one, two] = [withParams(root, params.one), withParams(root, params.two)]
    const run = (pipeline: Pipeline.Pipeline, ...set: ReadonlyArray<string>) =>
      ran(pipeline, placeIn(root), { executor: valueOfItsName, set })
    return { one, two, run }
  }

  it("4 (dvc#9913): one that is added or removed reruns the step, and is named", async () => {
    const { one, two, run } = tuned()
    expect((await run(one)).executed).toEqual(["tuned"])
    const added = await run(two)
    expect(added.reasons).toEqual({ tuned: ["parameter depth: absent -> 2"] })
    // what was there before is there still
    expect((await run(one)).executed).toEqual([])
    const removed = await run(one, "tuned.rate=0.5")
    expect(removed.reasons).toEqual({ tuned: ["parameter rate: 1 -> 0.5"] })
    const other = tuned()
    await other.run(other.two)
    expect((await other.run(other.one)).reasons).toEqual({ tuned: ["parameter depth: 2 -> absent"] })
  })

  it("4 (dvc#9518): a default that is written out, in another order or notation, is no change", async () => {
    const { two, run } = tuned()
    const { keys } = await run(two)
    for (const set of [
      ["tuned.rate=1"],
      ["tuned.rate=1.0", "tuned.depth=2"],
      ["tuned.depth=2", "tuned.rate=10e-1"],
      ["tuned.depth=7", "tuned.depth=2"]
    ]) {
      expect(await run(two, ...set), set.join(" ")).toMatchObject({ executed: [], cached: ["tuned"], keys })
    }
  })

  it.each([
    ["NaN", Number.NaN],
    ["a function", () => 1],
    ["a map", new Map([["a", 1]])],
    ["undefined", { inner: undefined }]
  ])(
    "5 (prefect#15861, nx#20996, joblib#952, joblib#896): %s cannot be in a key, so there is none and nothing runs",
    async (_what, value) => {
      const root = temporaryFolder()
      writeFiles(root, { "package.json": "{}", "tuned.ts": "export const run = 1", "texts/a.txt": "" })
      const stage = Stage.make({
        name: "tuned",
        source: pathToFileURL(path.join(root, "tuned.ts")).href,
        params: Schema.Struct({ odd: Schema.Unknown }),
        inputs: {},
        output: { value: Value },
        run: () => Effect.void
      })
      const pipeline = Pipeline.make({
        name: "odd",
        steps: [Pipeline.step(stage, { inputs: {}, params: { odd: value } })]
      })
      const { executed, failures } = await ran(pipeline, placeIn(root), { executor: valueOfItsName })
      expect(executed).toEqual([])
      expect(failures).toEqual([expect.stringContaining("could not compute the cache key of tuned")])
      expect(failures[0]).toMatch(
        /: parameter odd(\.inner)?: expected a value of JSON, but its Schema encodes it as .*\. Give/
      )
    }
  )

  it("5 (prefect#15861, nx#20996): no part of a key is left out: each makes another key", async () => {
    const parts: CacheKey.Ingredients = {
      stage: "s",
      code: { modules: { "s.ts": { run: "1" } }, packages: { tool: "1.0.0" } },
      params: { rate: 1 },
      inputs: { text: Digest.ofText("text") },
      toolchain: { engine: { threads: 2 } },
      runtime: { node: "22", platform: "linux-x64" }
    }
    const others: ReadonlyArray<CacheKey.Ingredients> = [
      parts,
      { ...parts, stage: "t" },
      { ...parts, code: { ...parts.code, modules: { "s.ts": { run: "2" } } } },
      { ...parts, code: { ...parts.code, modules: { "t.ts": { run: "1" } } } },
      { ...parts, code: { ...parts.code, packages: { tool: "1.0.1" } } },
      { ...parts, code: { ...parts.code, packages: {} } },
      { ...parts, params: { rate: 2 } },
      { ...parts, params: { rate: "1" } },
      { ...parts, params: {} },
      { ...parts, inputs: { text: Digest.ofText("other") } },
      { ...parts, inputs: { test: Digest.ofText("text") } },
      { ...parts, toolchain: { engine: { threads: 1 } } },
      { ...parts, runtime: { node: "24", platform: "linux-x64" } },
      { ...parts, runtime: { node: "22", platform: "linux-arm64" } }
    ]
    const keys = await Effect.runPromise(Effect.forEach(others, (each) => CacheKey.of("s", each)))
    expect(new Set(keys).size).toBe(others.length)
  })
})

describe("inputs", () => {
  it("6 (turbo#8051, turbo#13788, turbo#13918): a key downstream is made of what upstream committed, not of what lies in the workspace", async () => {
    const clean = newPlace()
    const expected = await ran(letters, clean)
    const place = newPlace()
    const file = path.join(place.outputs, "words/words.json")
    let tampered = 0
    const disturbed = await ran(letters, place, {
      onEvent: (event) => {
        if (event.type !== "StepExecuted" || event.step !== "words") return
        writeFileSync(file, `["tampered"]`)
        tampered++
      }
    })
    expect(tampered).toBe(1)
    expect(disturbed.keys).toEqual(expected.keys)
    const page = "print/pages/page.txt"
    expect(contents(place.outputs)[page]).toBe(contents(clean.outputs)[page])
    // and the edited file does not reach a later key either
    expect((await ran(letters, place, { set: ["print.seed=1"] })).executed).toEqual(["print"])
    expect(contents(place.outputs)["words/words.json"]).toBe(contents(clean.outputs)["words/words.json"])
  })

  it("22 (nf-core/mcmicro#162, smk#3690, smk#4134, pixi PR#6703): a file that was only touched reruns nothing", async () => {
    const place = newPlace()
    await pastTheTick()
    await ran(letters, place)
    for (const seconds of [1000, Date.now() / 1000 + 1000]) {
      utimesSync(path.join(place.data, "a.txt"), seconds, seconds)
      expect((await ran(letters, place)).executed).toEqual([])
    }
  })

  it.each([
    ["long after it was hashed", true],
    ["within the tick in which it was hashed", false]
  ])(
    "22 (sifiveinc/wake PR#1816, vedaant00/opendot PR#117, ziglang/zig#6082, apache/texera PR#7079): an edit that keeps size and mtime is seen, %s",
    async (_when, waits) => {
      const place = newPlace()
      const file = path.join(place.data, "a.txt")
      const seconds = Math.floor(Date.now() / 1000) - 100
      utimesSync(file, seconds, seconds)
      if (waits) await pastTheTick()
      await ran(letters, place)
      const { size } = statSync(file)
      writeFileSync(file, "HELLO tin world\n")
      utimesSync(file, seconds, seconds)
      expect(statSync(file)).toMatchObject({ size, mtimeMs: 1000 * seconds })
      const { executed, reasons } = await ran(letters, place)
      expect(executed).toContain("words")
      expect(reasons["words"]).toEqual(["input texts: 1 changed (a.txt)"])
      expect(contents(place.outputs)["words/words.json"]).toContain("tin")
    }
  )

  it("23 (dvc#4658, dvc#8374): a line end is content: CRLF and LF are two inputs", async () => {
    const place = newPlace()
    await ran(letters, place)
    writeFileSync(path.join(place.data, "a.txt"), "hello big world\r\n")
    // the list of words comes out the same, so what reads it is left alone
    expect(await ran(letters, place)).toMatchObject({
      executed: ["words"],
      cached: ["count@words", "count@letters", "print"]
    })
  })

  it("23 (stepchowfun/toast#243): folders whose names and contents run together to the same text have different keys", async () => {
    const root = temporaryFolder()
    const module = { "package.json": "{}", "read.ts": "export const run = 1" }
    writeFiles(root, module)
    const stage = Stage.make({
      name: "read",
      source: pathToFileURL(path.join(root, "read.ts")).href,
      params: Schema.Struct({}),
      inputs: { texts: Texts },
      output: { value: Value },
      run: () => Effect.void
    })
    const source = Pipeline.source({ name: "texts", artifact: Texts })
    const pipeline = Pipeline.make({ name: "p", steps: [Pipeline.step(stage, { inputs: { texts: source.port } })] })
    const trees = [
      { "texts/a": "ab", "texts/b": "c" },
      { "texts/a": "a", "texts/b": "bc" },
      { "texts/a": "", "texts/b": "abc" },
      { "texts/ab": "abc" },
      { "texts/a/b": "abc" },
      { "texts/a": "ab\nb", "texts/c": "" },
      { "texts/a": "ab\0b\0c" },
      { "texts/a": "c", "texts/b": "ab" },
      {}
    ]
    const keys = []
    for (const tree of trees) {
      const { store: _store, ...place } = newPlace(tree)
      const { keys: found } = await ran(
        pipeline,
        { ...place, store: path.join(root, "store") },
        { executor: valueOfItsName }
      )
      keys.push(found["read"])
    }
    expect(new Set(keys).size).toBe(trees.length)
  })

  it("24 (dvc#9085, dvc#7607, dvc#7681, dvc#2638, dvc#1756): of a big folder each file is read once, then only what changed", async () => {
    const names = Array.from({ length: 300 }, (_, index) => `${index % 7}-${index}.txt`)
    const place = newPlace(Object.fromEntries(names.map((name) => [`texts/${name}`, `word ${name}\n`])))
    await pastTheTick()
    const counted = async (set: ReadonlyArray<string> = []) => {
      const read: Array<string> = []
      const disk = Layer.effect(
        Disk,
        Effect.map(Disk, (real) =>
          Disk.of({
            ...real,
            hash: (file) => {
              if (file.startsWith(place.data)) read.push(path.basename(file))
              return real.hash(file)
            }
          })
        )
      ).pipe(Layer.provide(Disk.layer))
      const { executed } = await ran(letters, place, { disk, set })
      return { executed: executed.length, read: read.sort() }
    }
    expect(await counted()).toEqual({ executed: 4, read: names.toSorted() })
    expect(await counted()).toEqual({ executed: 0, read: [] })
    // executed, and so looked at again afterwards, and not read
    expect(await counted(["words.minimum=2"])).toMatchObject({ read: [] })
    writeFileSync(path.join(place.data, names[5]!), "another\n")
    await pastTheTick()
    expect(await counted()).toEqual({ executed: 4, read: [names[5]] })
  })
})

describe("what is told, and what does not count", () => {
  it("20 (turbo#4494, turbo#3142, nx#18754, bazel#3026, bazel#4302, bazel#18643, dvc#1164, dvc#1): each rerun says what changed, by name, and nothing else", async () => {
    const root = project()
    const source = Pipeline.source({ name: "texts", artifact: Texts })
    const first = Stage.make({
      name: "first",
      source: pathToFileURL(path.join(root, "a.ts")).href,
      params: Schema.Struct({ rate: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))) }),
      inputs: { texts: Texts },
      output: { value: Value },
      run: () => Effect.void
    })
    const later = Stage.make({
      name: "second",
      source: pathToFileURL(path.join(root, "b.ts")).href,
      params: Schema.Struct({}),
      inputs: { read: Value },
      output: { value: Value },
      run: () => Effect.void
    })
    const one = Pipeline.step(first, { inputs: { texts: source.port } })
    const two = Pipeline.step(later, { inputs: { read: one.out.value } })
    const pipeline = Pipeline.make({ name: "reasons", steps: [two] })
    let serial = 0
    const run = async (...set: ReadonlyArray<string>) =>
      (await ran(pipeline, placeIn(root), { set, executor: doing((task) => writeValue(task, serial++)) })).reasons
    const follows = { second: ["input first.value changed"] }
    expect(await run()).toEqual({ first: ["first run"], second: ["first run"] })
    expect(await run()).toEqual({})
    expect(await run("first.rate=2")).toEqual({ first: ["parameter rate: 1 -> 2"], ...follows })
    expect(await run()).toEqual({})
    writeFileSync(path.join(root, "texts/a.txt"), "two")
    expect(await run()).toEqual({ first: ["input texts: 1 changed (a.txt)"], ...follows })
    writeFileSync(path.join(root, "texts/b.txt"), "new")
    expect(await run()).toEqual({ first: ["input texts: 1 added (b.txt)"], ...follows })
    writeFileSync(path.join(root, "lib/near.ts"), `import { far } from "./far.ts"\nexport const near = far + 2`)
    expect(await run()).toEqual({ first: ["code: near in lib/near.ts changed"], ...follows })
    writeFileSync(path.join(root, "node_modules/tool/package.json"), `{"name":"tool","version":"2.0.0"}`)
    expect(await run()).toEqual({ first: [`package tool: "1.0.0" -> "2.0.0"`], ...follows })
    writeFileSync(path.join(root, "lib/other.ts"), "export const other = 3")
    expect(await run()).toEqual({ second: ["code: other in lib/other.ts changed"] })
    // what it takes to tell is no log to be switched off: a few hundred bytes a result
    for (const record of recordsOf(placeIn(root))) expect(statSync(record).size).toBeLessThan(4000)
    rmSync(path.join(root, "store/v1/results"), { recursive: true })
    const gone = ["the last result is no longer in the store"]
    expect(await run()).toEqual({ first: gone, second: gone })
  })

  it("21 (nf#6884, nf#5688): a step that failed twice before it succeeded is cached like any other, under the same key", async () => {
    const place = newPlace()
    let attempts = 0
    const failing = Layer.effect(
      Executor,
      Effect.map(Executor, (executor) => ({
        execute: (task, onProgress) =>
          task.step === "words" && ++attempts < 3
            ? Effect.fail(new StepError({ step: task.step, fault: "stage", reason: "out of memory", log: null }))
            : executor.execute(task, onProgress)
      }))
    ).pipe(Layer.provide(InProcessExecutor.layer))
    for (const _attempt of [1, 2]) {
      expect((await ran(letters, place, { executor: failing })).failures).toEqual(["words: out of memory"])
    }
    const third = await ran(letters, place, { executor: failing })
    expect(third).toMatchObject({ executed: letterSteps, failures: [] })
    expect(await ran(letters, place, { executor: failing })).toMatchObject({ executed: [], cached: letterSteps })
    expect(attempts).toBe(3)
    // nor does it matter where, when or by which run it was made
    expect((await ran(letters, newPlace())).keys).toEqual(third.keys)
  })

  it.each([
    ["of an older format", (record: Record<string, unknown>) => ({ ...record, format: "Result/v0" })],
    ["without a field that there is now", ({ provenance: _gone, ...record }: Record<string, unknown>) => record],
    [
      "whose outputs were written otherwise",
      (record: Record<string, unknown>) => ({ ...record, outputs: ["words.json"] })
    ]
  ])("26 (flyte#6125): a record %s is a miss, not an error", async (_what, older) => {
    const place = newPlace()
    const { keys } = await ran(letters, place)
    const expected = contents(place.outputs)
    const layout = Layout.make(place.store)
    for (const key of Object.values(keys)) {
      const file = layout.result(key as Digest.Digest)
      const rewrite = Effect.gen(function* () {
        const body = yield* Commit.readRecord(file)
        const record = JSON.parse(body._tag === "Some" ? body.value : "") as Record<string, unknown>
        // with its checksum right: it is not damaged, it is old
        yield* Commit.writeRecord(layout, file, JSON.stringify(older(record)))
      })
      expect(Exit.isSuccess(await inStore(place, rewrite))).toBe(true)
    }
    expect(Object.values(await planned(letters, place))).not.toContain("fresh")
    const again = await ran(letters, place)
    expect(again).toMatchObject({ executed: letterSteps, failures: [], keys })
    for (const step of letterSteps) expect(again.reasons[step]).toHaveLength(1)
    expect(contents(place.outputs)).toEqual(expected)
  })
})
