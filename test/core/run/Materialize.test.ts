/** Outputs in their places: links that lead out of them, folders that people made, what is laid out by declaration, where they must not lie. */
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import { availability } from "../../../core/executor/Sandbox.ts"
import { Artifact, Pipeline, Stage } from "../../../core/index.ts"
import { newPlace, type Place } from "../../lib/place.ts"
import { inStore, prepare } from "../../lib/runs.ts"
import { ran, Texts } from "../../regressions/support.ts"

const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })
const Folder = Artifact.folder({ tag: "Folder/v1", path: "dir" })
const texts = Pipeline.source({ name: "texts", artifact: Texts })

const splitting = (command: string) => {
  const stage = Stage.command({ name: "s", command, inputs: { src: Texts }, output: { dir: Folder } })
  return Pipeline.make({ name: "splitting", steps: [Pipeline.step(stage, { inputs: { src: texts.port } })] })
}

const writing = (text: string, materialize = true) => {
  const output = { text: Artifact.file({ tag: "Text/v1", path: "text.txt", materialize }) }
  const stage = Stage.command({ name: "s", command: `echo ${text} > "$text"`, inputs: {}, output })
  return Pipeline.make({ name: "writing", steps: [Pipeline.step(stage, { inputs: {} })] })
}

describe("a link in an output", () => {
  const isSealed = availability().available

  /** By what the command does: what is said of it where it is sealed, and where it is not. */
  const leading = [
    ["to files of a source", 'ln -s "$src"/*.txt "$dir/"', "a path below the output", "the source"],
    ["to a source itself", 'ln -s "$src" "$dir/src"', "a path below the output", "the source"],
    ["to what a source lies in", 'ln -s "$(dirname "$src")" "$dir/above"', "a path below the output", "the source"],
    ["to a source by a relative path", 'ln -sr "$src/a.txt" "$dir/a.txt"', "out of the output", "the source"],
    [
      "to a source by way of another link",
      'ln -s "$src" /$TMPDIR/way; ln -s "$TMPDIR/way/a.txt" "$dir/a.txt"',
      "the folder that the step worked in",
      "the source"
    ],
    ["to the step's scratch", 'echo a > real.txt; ln -s "$PWD/real.txt" "$dir/x"', "the folder that", "the store, or"],
    [
      "to the step's scratch by a relative path",
      'echo a > real.txt; ln -sr real.txt "$dir/x"',
      "out of the output",
      "out of the output"
    ],
    [
      "to itself by a path that is not its own",
      'echo a > "$dir/a"; ln -s "$dir/a" "$dir/x"',
      "must be relative",
      "must be relative"
    ],
    [
      "to itself by an absolute path",
      'echo a > "$dir/a"; ln -s "$PWD/$dir/a" "$dir/x"',
      "must be relative",
      "must be relative"
    ]
  ] as const

  const refused = async (command: string, sandbox: "require" | "off", words: string): Promise<void> => {
    const { failures } = await ran(splitting(command), newPlace(), { sandbox })
    expect(failures.join()).toContain("output dir: expected files of its own, but found")
    expect(failures.join()).toContain(words)
    expect(failures.join()).toContain("cp -L")
  }
  it.skipIf(!isSealed).each(leading)("%s is refused of a sealed command", async (_what, command, words) => {
    await refused(command, "require", words)
  })
  it.each(leading)("%s is refused of a command without a sandbox", async (_what, command, _sealed, words) => {
    await refused(command, "off", words)
  })

  it("that stays within, or leads to the machine's own, is kept", async () => {
    const place = newPlace()
    const command =
      'mkdir "$dir/in"; echo a > "$dir/a"; ln -s ../a "$dir/in/x"; ln -s nowhere "$dir/y"; ln -s /usr/lib/nothing "$dir/z"'
    expect((await ran(splitting(command), place)).failures).toEqual([])
    expect(readFileSync(path.join(place.outputs, "s/dir/in/x"), "utf8")).toBe("a\n")
  })
})

describe("a folder of the outputs", () => {
  const text = (place: Place): string => readFileSync(path.join(place.outputs, "s/text.txt"), "utf8")

  it("that people made is not replaced, and is named", async () => {
    const place = newPlace()
    const notes = path.join(place.outputs, "s/notes.txt")
    mkdirSync(path.dirname(notes), { recursive: true })
    writeFileSync(notes, "mine")
    const { failures } = await ran(writing("one"), place)
    expect(failures.join()).toContain(`${place.outputs}/s: expected a folder that op-pipe may replace`)
    expect(readFileSync(notes, "utf8")).toBe("mine")
    rmSync(notes)
    expect(await ran(writing("one"), place)).toMatchObject({ cached: ["s"], failures: [] })
    expect(text(place)).toBe("one\n")
  })

  it("whose place a file has is not replaced either", async () => {
    const place = newPlace()
    mkdirSync(place.outputs)
    writeFileSync(path.join(place.outputs, "s"), "mine")
    expect((await ran(writing("one"), place)).failures.join()).toContain("found files that op-pipe did not write")
    expect(readFileSync(path.join(place.outputs, "s"), "utf8")).toBe("mine")
  })

  it("of a run is replaced as a whole, also after the store was removed; what is not the run's is moved aside", async () => {
    const place = newPlace()
    await ran(writing("one"), place)
    const folder = path.join(place.outputs, "s")
    const kept = path.join(place.outputs, ".kept/s")
    mkdirSync(path.join(folder, "my"))
    writeFileSync(path.join(folder, "my/notes.txt"), "mine")
    rmSync(place.store, { recursive: true })
    const { failures, events } = await ran(writing("two"), place)
    expect(failures).toEqual([])
    expect(text(place)).toBe("two\n")
    expect(readdirSync(folder)).toEqual(["text.txt"])
    expect(readdirSync(path.dirname(folder))).toContain(".kept")
    expect(readFileSync(path.join(kept, "my/notes.txt"), "utf8")).toBe("mine")
    expect(events).toContainEqual({
      type: "Notice",
      text: `${folder}: found my/notes.txt, which op-pipe did not write; moved to ${kept}`
    })
    // what is there already is not written over, and an output that somebody edited is theirs, too
    writeFileSync(path.join(folder, "text.txt"), "edited")
    await ran(writing("two"), place)
    expect(text(place)).toBe("two\n")
    expect(readFileSync(`${kept}-2/text.txt`, "utf8")).toBe("edited")
    // nothing else was ever moved
    await ran(writing("three"), place)
    await ran(writing("two"), place)
    expect(readdirSync(path.join(place.outputs, ".kept"))).toEqual(["s", "s-2"])
  })

  it.each([
    ["a pipe", (at: string) => execFileSync("mkfifo", [path.join(at, "p")]), "found a pipe"],
    ["a name in Latin-1", (at: string) => writeFileSync(Buffer.from(`${at}/caf\xe9`, "latin1"), ""), "names in UTF-8"]
  ])("that cannot be read through is moved as a whole: %s", async (_what, put, says) => {
    const place = newPlace()
    await ran(writing("one"), place)
    const folder = path.join(place.outputs, "s")
    put(folder)
    const { failures, events } = await ran(writing("two"), place)
    expect(failures).toEqual([])
    expect(readdirSync(folder)).toEqual(["text.txt"])
    expect(text(place)).toBe("two\n")
    const kept = path.join(place.outputs, ".kept/s")
    expect(readdirSync(kept)).toHaveLength(2)
    expect(events).toContainEqual({
      type: "Notice",
      text: expect.stringContaining(`moved the whole folder to ${kept}`)
    })
    expect(events).toContainEqual({ type: "Notice", text: expect.stringContaining(says) })
  })

  it("of an earlier version, without marks, is replaced while it holds outputs only", async () => {
    const place = newPlace()
    await ran(writing("one"), place)
    const marks = path.join(place.outputs, ".laid-out")
    rmSync(marks, { recursive: true })
    expect((await ran(writing("two"), place)).failures).toEqual([])
    expect(text(place)).toBe("two\n")
    rmSync(marks, { recursive: true })
    writeFileSync(path.join(place.outputs, "s/notes.txt"), "mine")
    expect((await ran(writing("three"), place)).failures.join()).toContain("found files that op-pipe did not write")
  })

  it("of an earlier version is marked as soon as it is found to be as it should be", async () => {
    const place = newPlace()
    await ran(writing("one"), place)
    rmSync(path.join(place.outputs, ".laid-out"), { recursive: true })
    await ran(writing("one"), place)
    rmSync(place.store, { recursive: true })
    expect((await ran(writing("two"), place)).failures).toEqual([])
    expect(text(place)).toBe("two\n")
  })

  it("holds what is declared to be laid out now", async () => {
    const place = newPlace()
    await ran(writing("one", false), place)
    expect(existsSync(path.join(place.outputs, "s/text.txt"))).toBe(false)
    expect((await ran(writing("one", true), place)).executed).toEqual([])
    expect(text(place)).toBe("one\n")
    expect((await ran(writing("one", false), place)).executed).toEqual([])
    expect(existsSync(path.join(place.outputs, "s/text.txt"))).toBe(false)
  })
})

describe("what a run writes", () => {
  const pipeline = splitting('cp "$src"/* "$dir"')
  const refusal = async (place: Place): Promise<string> =>
    JSON.stringify(await inStore(place, prepare(pipeline, place, {})))

  it.each([
    ["outputs in", (data: string) => ({ outputs: path.join(data, "out") }), "--outputs"],
    ["outputs that are", (data: string) => ({ outputs: data }), "--outputs"],
    ["a store in", (data: string) => ({ store: path.join(data, "deep/store") }), "--store"]
  ])("is refused with %s the data", async (_what, moved, flag) => {
    const place = newPlace()
    const message = await refusal({ ...place, ...moved(place.data) })
    expect(message).toContain("SettingsError")
    expect(message).toContain(`Choose another folder with ${flag}`)
  })

  it("is seen through links", async () => {
    const place = newPlace()
    const way = path.join(path.dirname(place.data), "way")
    symlinkSync(place.data, way)
    expect(await refusal({ ...place, outputs: path.join(way, "out") })).toContain("SettingsError")
  })

  it("may lie in a folder of the data that the source ignores, and leaves the data untouched", async () => {
    const place = newPlace()
    const hidden = {
      ...place,
      store: path.join(place.data, ".op-pipe"),
      outputs: path.join(place.data, ".op-pipe/out")
    }
    expect(await ran(pipeline, hidden)).toMatchObject({ executed: ["s"], failures: [] })
    expect(await ran(pipeline, hidden)).toMatchObject({ cached: ["s"], failures: [] })
  })
})

describe("a name that is no folder's", () => {
  it.each(["a/b", ".hidden", "..", "", "a\\b"])("%j is refused for a stage and a variant", (name) => {
    const named = (stage: string, variant: string | undefined) => () =>
      Pipeline.step(Stage.command({ name: stage, command: "", inputs: {}, output: { text: Text } }), {
        ...(variant === undefined ? {} : { variant }),
        inputs: {}
      } as never)
    expect(named(name, undefined)).toThrow(/expected a name that a folder can have/)
    expect(named("c", name)).toThrow(/variant of c: expected a name/)
    expect(named("c", "a.b")).not.toThrow()
  })
})
