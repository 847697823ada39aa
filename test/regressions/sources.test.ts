/** What counts of a source, and what a step finds of it: links, hidden files, ignored files; sealed and not. */
import { spawnSync } from "node:child_process"
import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import * as ProcessExecutor from "../../core/executor/ProcessExecutor.ts"
import * as Sandbox from "../../core/executor/Sandbox.ts"
import { Artifact, Pipeline, Stage } from "../../core/index.ts"
import { reachedBy } from "../../core/plan/SourceLinks.ts"
import { gather } from "../fixtures/sources/gather.ts"
import { newPlace, type Place } from "../lib/place.ts"
import { writeFiles } from "../lib/temporary.ts"
import { pastTheTick, ran, Texts } from "./support.ts"

const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })

type SourceOptions = Pick<Parameters<typeof Pipeline.source>[0], "ignore" | "links">

const reading = (command: string, options: Partial<SourceOptions> = {}) => {
  const texts = Pipeline.source({ name: "texts", artifact: Texts, ...options })
  const stage = Stage.command({ name: "s", command, inputs: { src: Texts }, output: { text: Text } })
  return Pipeline.make({ name: "p", steps: [Pipeline.step(stage, { inputs: { src: texts.port } })] })
}

const text = (place: Place): string => readFileSync(path.join(place.outputs, "s/text.txt"), "utf8")

const modes = Sandbox.availability().available ? (["require", "off"] as const) : (["off"] as const)

describe.each(modes)("a source, for a command with --sandbox=%s", (sandbox) => {
  const run = async (command: string, place: Place, options: Partial<SourceOptions> = {}) => {
    const { executed, failures } = await ran(reading(command, options), place, { sandbox })
    expect(failures).toEqual([])
    return executed
  }

  it("holds what its links lead to, wherever that lies (treeverse/dvc#1648, pnpm/pnpm#14693)", async () => {
    const place = newPlace({ "lake/a.txt": "one ", "lake/b/c.txt": "two ", "far/d.txt": "three " })
    const top = path.dirname(place.data)
    symlinkSync("../lake/a.txt", path.join(place.data, "relative.txt"))
    symlinkSync(path.join(top, "lake/b"), path.join(place.data, "absolute"))
    symlinkSync("../far", path.join(place.data, "hops"))
    symlinkSync("../lake/a.txt", path.join(top, "far/e.txt"))
    const command = 'cat "$src/relative.txt" "$src/absolute/c.txt" "$src/hops/d.txt" "$src/hops/e.txt" > "$text"'
    expect(await run(command, place)).toEqual(["s"])
    expect(text(place)).toBe("one two three one ")
    await pastTheTick()
    expect(await run(command, place)).toEqual([])
    writeFileSync(path.join(top, "lake/a.txt"), "ONE ")
    expect(await run(command, place)).toEqual(["s"])
    expect(text(place)).toBe("ONE two three ONE ")
  })

  it("counts its hidden files (to-mc/checksumdir#2)", async () => {
    const place = newPlace({ "texts/.zarray": "one" })
    const command = 'cat "$src/.zarray" > "$text"'
    await run(command, place)
    writeFileSync(path.join(place.data, ".zarray"), "two")
    expect(await run(command, place)).toEqual(["s"])
    expect(text(place)).toBe("two")
  })

  it("counts whether its files may be executed (hermetic/12)", async () => {
    const place = newPlace({ "texts/tool.sh": "#!/bin/sh\necho done" })
    const tool = path.join(place.data, "tool.sh")
    const command = '"$src/tool.sh" > "$text" 2>/dev/null || echo refused > "$text"'
    await run(command, place)
    expect(text(place)).toBe("refused\n")
    chmodSync(tool, 0o755)
    expect(await run(command, place)).toEqual(["s"])
    expect(text(place)).toBe("done\n")
    await pastTheTick()
    // who may read it is the owner's affair
    chmodSync(tool, 0o700)
    expect(await run(command, place)).toEqual([])
  })

  it("does not count what systems and tools leave behind, nor what it ignores", async () => {
    const place = newPlace()
    const command = 'cat "$src/a.txt" > "$text"'
    await run(command, place)
    writeFiles(place.data, { ".DS_Store": "x", ".git/HEAD": "x", "sub/__pycache__/m.pyc": "x", "sub/._a.txt": "x" })
    // the folder `sub` is new
    expect(await run(command, place)).toEqual(["s"])
    writeFiles(place.data, { ".DS_Store": "y", ".git/HEAD": "y", "sub/__pycache__/m.pyc": "y", "sub/desktop.ini": "x" })
    expect(await run(command, place)).toEqual([])
    // what a source ignores replaces what is ignored otherwise
    const ignore = (name: string) => name === "b.txt"
    expect(await run(command, place, { ignore })).toEqual(["s"])
    writeFileSync(path.join(place.data, "b.txt"), "other")
    expect(await run(command, place, { ignore })).toEqual([])
    writeFileSync(path.join(place.data, ".DS_Store"), "z")
    expect(await run(command, place, { ignore })).toEqual(["s"])
  })

  it.skipIf(sandbox === "off")("has nothing in place of what it ignores", async () => {
    const place = newPlace({ "texts/a.txt": "one", "texts/.DS_Store": "secret", "texts/.git/HEAD": "secret" })
    await run('cat "$src"/* "$src/.DS_Store" > "$text"; ls -A "$src/.git" >> "$text"', place)
    expect(text(place)).toBe("one")
    const writes = reading('echo x > "$src/.git/new" && echo > "$text"')
    expect((await ran(writes, place, { sandbox })).failures.join()).toContain("Read-only file system")
  })

  it.skipIf(sandbox === "off")("may ignore more files than can be mounted over", async () => {
    const place = newPlace({ "texts/a.txt": "one", "texts/sub/b.txt": "two" })
    symlinkSync("a.txt", path.join(place.data, "link.txt"))
    const names = Array.from({ length: 5000 }, (_, at) => `._${at}`)
    writeFiles(place.data, Object.fromEntries(names.map((name) => [name, "secret"])))
    await run(
      'cat "$src"/*.txt "$src/sub/b.txt" > "$text"; readlink "$src/link.txt" >> "$text"; ls -A "$src" >> "$text"',
      place
    )
    expect(text(place)).toBe("oneonetwoa.txt\na.txt\nlink.txt\nsub\n")
  })

  it("is not written to by a Python that reads modules from it (treeverse/dvc#2144)", async ({ skip }) => {
    if (spawnSync("python3", ["--version"]).status !== 0) return skip("there is no python3")
    const place = newPlace({
      "texts/main.py": "from helper import word\nprint(word)",
      "texts/helper.py": "word = 'one'"
    })
    await run('python3 "$src/main.py" > "$text"', place)
    expect(text(place)).toBe("one\n")
    expect(readdirSync(place.data).sort()).toEqual(["helper.py", "main.py"])
  })

  it.skipIf(sandbox === "off")("does not lead out of itself where links are kept", async () => {
    const place = newPlace({ "texts/a.txt": "one", "lake/a.txt": "secret" })
    symlinkSync(path.join(place.data, "../lake"), path.join(place.data, "lake"))
    await run('(cat "$src/lake/a.txt" || readlink "$src/lake") > "$text" 2>/dev/null', place, { links: "keep" })
    expect(text(place)).toBe(`${path.join(place.data, "../lake")}\n`)
  })
})

describe.each(modes)("a source, for a module with --sandbox=%s", (sandbox) => {
  it("holds what its links lead to, and nothing that it ignores", async () => {
    const place = newPlace({ "lake/a.txt": "one", "far/d.txt": "two" })
    writeFiles(place.data, { ".DS_Store": "secret", ".git/HEAD": "secret" })
    symlinkSync("../lake/a.txt", path.join(place.data, "relative.txt"))
    mkdirSync(path.join(place.data, "../ways"))
    symlinkSync("../far", path.join(place.data, "../ways/one"))
    symlinkSync("../ways/one", path.join(place.data, "hops"))
    const texts = Pipeline.source({ name: "texts", artifact: Texts })
    const pipeline = Pipeline.make({ name: "p", steps: [Pipeline.step(gather, { inputs: { src: texts.port } })] })
    expect((await ran(pipeline, place, { sandbox, executor: ProcessExecutor.layer })).failures).toEqual([])
    expect(text(place)).toBe(sandbox === "off" ? "one,two,secret,secret" : "one,two,,(none)")
  })
})

describe("what links lead to", () => {
  it("is reached as a folder where there is much of it", () => {
    const link = (at: number) => ({
      path: `${at}.txt`,
      target: `../lake/${at}.txt`,
      leadsTo: `/w/lake/${at}.txt`,
      real: `/real/${at}.txt`,
      kind: "file" as const
    })
    const few = Array.from({ length: 200 }, (_, at) => link(at))
    expect(reachedBy(few)).toHaveLength(200)
    expect(reachedBy([...few, link(200)])).toEqual([{ from: "/real", named: "/w/lake", at: "../lake" }])
  })
})
