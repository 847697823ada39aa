/** Programs that a stage names, by the content of their files (bazelbuild/bazel#7000, #7091). */
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import * as Schema from "effect/Schema"
import { describe, expect, it } from "vitest"
import { interpreterIn } from "../../cache/code/Programs.ts"
import { Artifact, Pipeline, Stage } from "../../core/index.ts"
import { newPlace, type Place } from "../lib/place.ts"
import { run } from "../lib/runs.ts"
import { pastTheTick, ran } from "./support.ts"

const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })

/** Writes an executable file, and gives its path. */
const program = (file: string, text: string): string => {
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, text)
  chmodSync(file, 0o755)
  return file
}

const stageOf = (folder: string, programs: ReadonlyArray<string>, command = 'greet > "$text"') =>
  Stage.command({
    name: "s",
    command,
    inputs: {},
    output: { text: Text },
    env: { PATH: `${folder}:/usr/bin:/bin` },
    programs
  })

const pipelineOf = (...args: Parameters<typeof stageOf>) =>
  Pipeline.make({ name: "p", steps: [Pipeline.step(stageOf(...args), { inputs: {} })] })

/** A folder for programs, `greet` in it behind a link, with an interpreter of its own. */
const newTools = (place: Place) => {
  const folder = path.join(place.store, "../tools/bin")
  const speak = program(path.join(folder, "speak"), "#!/bin/sh\n. $1\n")
  const greet = program(path.join(folder, "../greet.sh"), "#!/usr/bin/env -S speak\necho hello\n")
  symlinkSync("../greet.sh", path.join(folder, "greet"))
  return { folder, speak, greet }
}

describe("a program that a stage names", () => {
  it("counts by its content, behind links, with the interpreter of a script", async () => {
    const place = newPlace()
    const { folder, speak, greet } = newTools(place)
    const pipeline = pipelineOf(folder, ["greet"])
    expect((await ran(pipeline, place)).failures).toEqual([])
    await pastTheTick()
    expect((await ran(pipeline, place)).cached).toEqual(["s"])
    program(greet, "#!/usr/bin/env -S speak\necho good morning\n")
    expect((await ran(pipeline, place)).reasons).toEqual({ s: ["program greet: changed"] })
    program(speak, "#!/bin/sh\n\n. $1\n")
    expect((await ran(pipeline, place)).reasons).toEqual({ s: ["program greet: changed"] })
    expect((await ran(pipelineOf(folder, ["greet", "sh"]), place)).reasons).toEqual({ s: ["program sh: is new"] })
    expect((await ran(pipelineOf(folder, []), place)).reasons).toEqual({
      s: ["program greet: no longer counts", "program sh: no longer counts"]
    })
    expect((await ran(pipelineOf(folder, []), place)).cached).toEqual(["s"])
  })

  it("that is replaced while the step runs discards the result", async () => {
    const place = newPlace()
    const { folder, greet } = newTools(place)
    const command = `greet > "$text"; echo "#" >> ${greet}`
    const { failures } = await ran(pipelineOf(folder, ["greet"], command), place, { sandbox: "off" })
    expect(failures).toEqual(["s: program greet changed while the step ran, so its result was discarded. Run again"])
  })

  it("that is not there is an error before any work, with the place of the stage", async () => {
    const place = newPlace()
    const exit = await run(pipelineOf(path.join(place.store, "none"), ["greet"]), place)
    expect(JSON.stringify(exit)).toContain("ProgramMissing")
    expect(stageOf("", ["greet"]).place).toMatch(/programs\.test\.ts:\d+:\d+$/u)
    expect(() => stageOf("", ["./greet"])).toThrow('s: expected names of programs on PATH, but found "./greet"')
  })

  it("of a module counts as well, if `spawns` names it", () => {
    const declare = (spawns: boolean | ReadonlyArray<string>) =>
      Stage.make({ ...module, spawns, run: () => Promise.reject() as never })
    expect([declare(["git"]).spawns, declare(["git"]).programs]).toEqual([true, ["git"]])
    expect([declare(true).programs, declare(false).spawns]).toEqual([[], false])
  })
})

const module = {
  name: "m",
  source: import.meta.url,
  params: Schema.Struct({}),
  inputs: {},
  output: { text: Text }
}

it.each([
  ["#!/bin/sh", "/bin/sh"],
  ["#! /usr/bin/python3 -u", "/usr/bin/python3"],
  ["#!/usr/bin/env python3", "python3"],
  ["#!/usr/bin/env -S -i A=1 node --test", "node"],
  ["\u007fELF", undefined]
])("the interpreter of %j is %j", (line, interpreter) => expect(interpreterIn(line)).toBe(interpreter))
