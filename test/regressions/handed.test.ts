/**
 * Complaints of what is handed from one step to the next, and of what a result is taken to be made from: inputs that changed and
 * changed back, links for files, modes that get lost, documents of an older schema, stages that pass for each other. Each test
 * is named by the row of the table of complaints and the issues that it answers.
 */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { describe, expect, it } from "vitest"
import { Artifact, Pipeline, Stage } from "../../core/index.ts"
import letters from "../fixtures/letters/pipeline.ts"
import { newPlace } from "../lib/place.ts"
import { contents } from "../lib/runs.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"
import { around, blobsOf, doing, pastTheTick, ran, Texts, Value, writeValue } from "./support.ts"

const Folder = Artifact.folder({ tag: "Folder/v1", path: "folder" })

const made = Stage.command({
  name: "made",
  command:
    'mkdir -p "$folder/inner/empty"; echo hello > "$folder/a.txt"; echo again > "$folder/inner/b.txt"; chmod 700 "$folder/inner"; printf "#!/bin/sh\\necho it runs\\n" > "$folder/tool"; chmod 755 "$folder/tool"',
  inputs: {},
  output: { folder: Folder }
})

const reading = (command: string) => {
  const one = Pipeline.step(made, { inputs: {} })
  const read = Stage.command({ name: "read", command, inputs: { given: Folder }, output: { folder: Folder } })
  return Pipeline.make({ name: "handed", steps: [Pipeline.step(read, { inputs: { given: one.out.folder } })] })
}

const Tool = Artifact.file({ tag: "Tool/v1", path: "tool.sh" })
const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })

/** A file of the same bytes whose mode is made by one step and asked for by the next. */
const moded = (mode: string) => {
  const command = 'echo "echo hello" > "$tool"; chmod "$MODE" "$tool"'
  const make = Stage.command({ name: "make", command, inputs: {}, output: { tool: Tool }, env: { MODE: mode } })
  const one = Pipeline.step(make, { inputs: {} })
  const call = '"./$tool" > "$text" || echo refused > "$text"'
  const read = Stage.command({ name: "call", command: call, inputs: { tool: Tool }, output: { text: Text } })
  return Pipeline.make({ name: "moded", steps: [Pipeline.step(read, { inputs: { tool: one.out.tool } })] })
}

/** A file of the same bytes under another name, for a step that reads its name. */
const called = (name: string) => {
  const File = Artifact.file({ tag: "File/v1", path: name })
  const make = Stage.command({ name: "make", command: 'echo hello > "$file"', inputs: {}, output: { file: File } })
  const one = Pipeline.step(make, { inputs: {} })
  const tell = Stage.command({
    name: "tell",
    command: 'echo "$file" > "$text"',
    inputs: { file: File },
    output: { text: Text }
  })
  return Pipeline.make({ name: "called", steps: [Pipeline.step(tell, { inputs: { file: one.out.file } })] })
}

describe("an input", () => {
  it("counts with the name by which it is found (pipelines/27)", async () => {
    const place = newPlace()
    for (const name of ["a.txt", "b.csv", "a.txt"]) {
      expect((await ran(called(name), place)).failures).toEqual([])
      expect(readFileSync(path.join(place.outputs, "tell/text.txt"), "utf8")).toBe(`inputs/file/${name}\n`)
    }
  })

  it("counts with the name by which a module finds it, where its own code says another", async () => {
    const [root, place] = [temporaryFolder(), newPlace()]
    writeFiles(root, { "package.json": "{}", "tell.ts": "export const tell = 1" })
    const tell = Stage.make({
      name: "tell",
      source: pathToFileURL(path.join(root, "tell.ts")).href,
      params: Schema.Struct({}),
      inputs: { file: Artifact.file({ tag: "File/v1", path: "its.txt" }) },
      output: { value: Value },
      run: () => Effect.void
    })
    for (const name of ["a.txt", "b.csv", "its.txt", "b.csv"]) {
      const File = Artifact.file({ tag: "File/v1", path: name })
      const make = Stage.command({ name: "make", command: "make it", inputs: {}, output: { file: File } })
      const one = Pipeline.step(make, { inputs: {} })
      const step = Pipeline.step(tell, { inputs: { file: one.out.file } })
      const executor = doing((task) => {
        if (task.step === "make") writeFileSync(path.join(task.outputDir, name), "hello")
        else writeValue(task, task.places["file"])
      })
      await ran(Pipeline.make({ name: "called", steps: [step] }), place, { executor })
      const found = JSON.parse(readFileSync(path.join(place.outputs, "tell/value.json"), "utf8")) as unknown
      expect(found).toBe(`inputs/file/${name}`)
    }
  })

  it("counts with the fields that it is handed on without (hermetic/02)", async () => {
    const place = newPlace()
    for (const volatile of [[], ["seconds"], []]) {
      const Report = Artifact.json({ tag: "Report/v1", path: "report.json", schema: Schema.Unknown, volatile })
      const command = `echo '{"loss": 1, "seconds": 2}' > "$report"`
      const make = Stage.command({ name: "make", command, inputs: {}, output: { report: Report } })
      const one = Pipeline.step(make, { inputs: {} })
      const tell = 'grep -c seconds "$report" > "$text" || true'
      const read = Stage.command({ name: "tell", command: tell, inputs: { report: Report }, output: { text: Text } })
      const step = Pipeline.step(read, { inputs: { report: one.out.report } })
      expect((await ran(Pipeline.make({ name: "told", steps: [step] }), place)).failures).toEqual([])
      const found = readFileSync(path.join(place.outputs, "tell/text.txt"), "utf8")
      expect(found).toBe(volatile.length === 0 ? "1\n" : "0\n")
    }
  })

  it("counts with its mode, with which it is handed on (hermetic/12)", async () => {
    const place = newPlace()
    for (const [mode, text] of [
      ["644", "refused"],
      ["755", "hello"],
      ["644", "refused"]
    ] as const) {
      expect((await ran(moded(mode), place)).failures).toEqual([])
      expect(readFileSync(path.join(place.outputs, "call/text.txt"), "utf8")).toBe(`${text}\n`)
    }
  })

  it("7 (turbo#1146, bazel#3360): that was edited while the step ran, and put back, is no input of its key", async () => {
    const place = newPlace()
    const file = path.join(place.data, "a.txt")
    const good = readFileSync(file, "utf8")
    await pastTheTick()
    let disturbed = false
    const executor = around({
      before: (task) => {
        if (disturbed || task.step !== "words") return
        writeFileSync(file, "other words")
      },
      after: (task) => {
        if (disturbed || task.step !== "words") return
        disturbed = true
        writeFileSync(file, good)
      }
    })
    expect((await ran(letters, place, { executor })).failures).toEqual([
      "words: a.txt in texts changed while the step ran, so its result was discarded. Run again"
    ])
    expect((await ran(letters, place, { executor })).executed).toContain("words")
    expect(contents(place.outputs)["words/words.json"]).toContain("hello")
  })

  it("13, 16, 18 (nx#36932, dvc#1599, bazel#18696): that a command copies arrives as files, not as links into the store", async () => {
    const place = newPlace({})
    const copied = reading('cp -r "$given/." "$folder/"; test "$(find "$given" -type f | wc -l)" = 3')
    expect((await ran(copied, place)).failures).toEqual([])
    const folder = path.join(place.outputs, "read/folder")
    for (const name of ["a.txt", "inner/b.txt"]) expect(lstatSync(path.join(folder, name)).isFile()).toBe(true)
    const blobs = blobsOf(place).map((blob) => readFileSync(blob, "utf8"))
    rmSync(path.join(place.outputs, "read"), { recursive: true })
    expect((await ran(copied, place)).executed).toEqual([])
    expect(readFileSync(path.join(folder, "inner/b.txt"), "utf8")).toBe("again\n")
    expect(blobsOf(place).map((blob) => readFileSync(blob, "utf8"))).toEqual(blobs)
  })

  it("13, 16, 18 (nx#36932, dvc#1599, bazel#18696): that a module keeps as a link into the store is refused, and told", async () => {
    const place = newPlace({})
    const root = temporaryFolder()
    writeFiles(root, { "package.json": "{}", "copy.ts": "export const copy = 1" })
    const one = Pipeline.step(made, { inputs: {} })
    const copy = Stage.make({
      name: "copy",
      source: pathToFileURL(path.join(root, "copy.ts")).href,
      params: Schema.Struct({}),
      inputs: { given: Folder },
      output: { folder: Folder },
      run: () => Effect.void
    })
    const pipeline = Pipeline.make({
      name: "linked",
      steps: [Pipeline.step(copy, { inputs: { given: one.out.folder } })]
    })
    // as fs.cp does without `dereference`
    const executor = doing(async (task) => {
      const { cpSync } = await import("node:fs")
      if (task.step === "made") {
        mkdirSync(path.join(task.outputDir, "folder"))
        writeFileSync(path.join(task.outputDir, "folder/a.txt"), "hello")
      } else cpSync(task.inputs["given"]!, path.join(task.outputDir, "folder"), { recursive: true })
    })
    const { failures } = await ran(pipeline, place, { executor })
    expect(failures.join()).toMatch(
      /copy: output folder: expected files of its own, but found a\.txt, a link to .*\/blobs\//
    )
    expect(existsSync(path.join(place.outputs, "copy"))).toBe(false)
  })

  it("15 (chrismatix/grog#155, SCons#1362): that is a program can be executed", async () => {
    const place = newPlace({})
    expect((await ran(reading('"$given/tool" > "$folder/said.txt"'), place)).failures).toEqual([])
    expect(readFileSync(path.join(place.outputs, "read/folder/said.txt"), "utf8")).toBe("it runs\n")
  })
})

describe("a folder", () => {
  it("15 (turbo#7410): keeps its mode and those of the folders in it, and gets them back", async () => {
    const place = newPlace({})
    const pipeline = Pipeline.make({ name: "modes", steps: [Pipeline.step(made, { inputs: {} })] })
    await ran(pipeline, place)
    const folder = path.join(place.outputs, "made/folder")
    const modes = () => ["", "inner", "inner/empty"].map((name) => statSync(path.join(folder, name)).mode & 0o777)
    const [first, inner, empty] = modes()
    expect(inner).toBe(0o700)
    chmodSync(path.join(folder, "inner"), 0o755)
    expect((await ran(pipeline, place)).executed).toEqual([])
    expect(modes()).toEqual([first, inner, empty])
    rmSync(place.outputs, { recursive: true })
    expect((await ran(pipeline, place)).executed).toEqual([])
    expect(modes()).toEqual([first, inner, empty])
    expect(readdirSync(path.join(folder, "inner")).sort()).toEqual(["b.txt", "empty"])
  })
})

describe("what a result is taken for", () => {
  it("26 (flyte#6125, dagster#9847): a command's document of an older schema is a miss, with a reason", async () => {
    const place = newPlace({})
    const of = (schema: Schema.Codec<unknown, unknown>, command: string) => {
      const output = { value: Artifact.json({ tag: "Value/v1", path: "value.json", schema }) }
      const stage = Stage.command({ name: "count", command, inputs: {}, output })
      return Pipeline.make({ name: "schemas", steps: [Pipeline.step(stage, { inputs: {} })] })
    }
    const command = `echo '{"n":1}' > "$value"`
    const numbers = Schema.Struct({ n: Schema.Int }) as Schema.Codec<unknown, unknown>
    const texts = Schema.Struct({ n: Schema.String }) as Schema.Codec<unknown, unknown>
    expect((await ran(of(numbers, command), place)).executed).toEqual(["count"])
    expect((await ran(of(numbers, command), place)).cached).toEqual(["count"])
    const { reasons, failures } = await ran(of(texts, command), place)
    expect(reasons["count"]).toEqual(["a stored document of the result no longer fits its schema"])
    expect(failures.join()).toContain("a document that its schema accepts")
    expect((await ran(of(numbers, command), place)).cached).toEqual(["count"])
  })

  it("2 (redun#99, prefect#23062): two stages of one name in one module are refused", () => {
    const make = (value: number) =>
      Stage.make({
        name: "same",
        source: import.meta.url,
        params: Schema.Struct({}),
        inputs: { texts: Texts },
        output: { value: Value },
        run: ({ output }) => output.value.write(value)
      })
    const source = Pipeline.source({ name: "texts", artifact: Texts })
    const [one, two] = [make(1), make(2)]
    const place = (stage: typeof one, variant: string) =>
      Pipeline.step(stage, { variant, inputs: { texts: source.port } })
    expect(() => Pipeline.make({ name: "namesakes", steps: [place(one, "a"), place(two, "b")] })).toThrow(
      /different names.*"same"/
    )
    expect(() => Pipeline.make({ name: "twice", steps: [place(one, "a"), place(one, "b")] })).not.toThrow()
  })
})
