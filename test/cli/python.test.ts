/** Stages that are Python scripts: what they are given, what counts of them, and what they can see (dvc#9195). */
import { execFileSync } from "node:child_process"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { beforeEach, describe, expect, it } from "vitest"
import { Artifact, Pipeline, Stage } from "../../core/index.ts"
import { events, lastEvent, opPipe } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"

const pipeline = (options = ""): string => `import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Artifact, Pipeline, Stage } from "./core/index.ts"
const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })
const Model = Artifact.json({ tag: "Model/v1", path: "model.json", schema: Schema.Struct({ words: Schema.Int, rate: Schema.Finite }) })
const Notes = Artifact.optional(Artifact.text({ tag: "Notes/v1", path: "notes.txt" }))
const train = Stage.python({
  name: "train",
  source: "src/train.py",
  params: Schema.Struct({ rate: Schema.Finite.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.5))) }),
  inputs: { text: Text, notes: Notes },
  output: { model: Model, notes: Notes },
  ${options}
})
const write = Stage.command({ name: "write", command: ":", inputs: {}, output: { notes: Notes } })
const text = Pipeline.source({ name: "text", artifact: Text, path: "text.txt" })
const written = Pipeline.step(write, { inputs: {} })
export default Pipeline.make({ name: "python", steps: [Pipeline.step(train, { inputs: { text: text.port, notes: written.out.notes } })] })
`
const train = `"""Trains."""
import json
from lib.counting import count
from op_pipe import ctx

def main():
    words = count(ctx.inputs["text"].read_text())
    ctx.log("counted", words)
    ctx.progress(1, 2, unit="words", label="count", loss=0.25)
    assert ctx.inputs["notes"] is None
    with open(ctx.outputs["model"], "w") as file:
        json.dump({"words": words, "rate": ctx.params["rate"]}, file)

main()
`
const files = {
  "pipeline.ts": pipeline(),
  "text.txt": "one two three\n",
  "src/train.py": train,
  "src/lib/__init__.py": "",
  "src/lib/counting.py": "from . import deep\ndef count(text):\n    return len(deep.split(text))\n",
  "src/lib/deep.py": "def split(text):\n    return text.split()\ndef other():\n    return 1\n",
  "src/unused.py": "x = 1\n"
}

const root = path.join(temporaryFolder(), "project")
beforeEach(() => makeProject(root, undefined, files))
const run = (...args: ReadonlyArray<string>) => opPipe(["run", "--json", ...args], { cwd: root })
const edit = (file: string, from: string, to: string): void => {
  const text = readFileSync(path.join(root, file), "utf8")
  expect(text).toContain(from)
  writeFileSync(path.join(root, file), text.replace(from, to))
}
const model = (): unknown => JSON.parse(readFileSync(path.join(root, "outputs/train/model.json"), "utf8"))
const reasons = async (...args: ReadonlyArray<string>) =>
  events(await run(...args)).flatMap((event) =>
    event.type === "StepStarted" && event.step === "train" ? event.reasons : []
  )
const failure = async (...args: ReadonlyArray<string>) => {
  const finished = await run(...args)
  const failed = events(finished).find((event) => event.type === "StepFailed")
  return { code: finished.code, reason: failed?.reason ?? finished.stderr }
}

describe("a script", () => {
  it.each(["require", "off"])("is given parameters and paths, and tells how far it is (sandbox %s)", async (mode) => {
    const finished = await run("--sandbox", mode, "--set", "train.rate=0.25")
    expect(finished.code, finished.stdout + finished.stderr).toBe(0)
    expect(model()).toEqual({ words: 3, rate: 0.25 })
    expect(events(finished).find((event) => event.type === "StepProgress")).toMatchObject({
      step: "train",
      label: "count",
      done: 1,
      total: 2,
      unit: "words",
      figures: { loss: 0.25 }
    })
    expect((await opPipe(["logs", "train"], { cwd: root })).stdout).toContain("counted 3")
    expect(lastEvent(await run("--sandbox", mode, "--set", "train.rate=0.25")).executed).toEqual([])
  })

  it("runs again when a helper two imports away changes, and says its name; a comment in it reruns nothing", async () => {
    await run()
    edit("src/lib/deep.py", "text.split()", 'text.split(" ")')
    expect(await reasons()).toEqual(["code: split in src/lib/deep.py changed"])
    edit("src/lib/deep.py", "def split(text):\n", '# a comment\ndef split( text ):\n    """What it does."""\n')
    edit("src/train.py", '"""Trains."""', '"""Trains well."""')
    edit("src/unused.py", "1", "2")
    expect(await reasons()).toEqual([])
    expect(await reasons("--set", "train.rate=1")).toEqual(["parameter rate: 0.5 -> 1"])
    const why = await opPipe(["why", "train", "--set", "train.rate=2"], { cwd: root })
    expect(why.stdout).toContain("parameter rate: 1 -> 2")
  })

  it("sees no module and no file that does not count", async () => {
    edit(
      "src/train.py",
      "    ctx.log",
      '    __import__("sys").path and open("/" + "/".join(__file__.split("/")[1:-1]) + "/unused.py")\n    ctx.log'
    )
    expect((await failure("--sandbox", "require")).reason).toContain("No such file or directory")
  })

  it("whose modules change while it runs gives no result", async () => {
    edit("src/train.py", "loss=0.25)", "loss=0.25)\n    import time; time.sleep(3)")
    let isEdited = false
    const disturbed = await opPipe(["run", "--json"], {
      cwd: root,
      onOutput: (text) => {
        if (isEdited || !text.includes('"StepProgress"')) return
        isEdited = true
        edit("src/lib/deep.py", "return 1", "return 2")
      }
    })
    expect(disturbed.stdout + disturbed.stderr).toContain("deep.py changed while the step ran")
  })

  it("that fails is told with its trace, or in its own words", async () => {
    edit("src/train.py", "    ctx.log", '    raise ValueError("no good")\n    ctx.log')
    expect((await failure()).reason).toContain("its script ended with exit code 1. Its last words:\nTraceback")
    edit(
      "src/train.py",
      'raise ValueError("no good")',
      'ctx.notice("look"); ctx.fail("there are no words", bad_input=True)'
    )
    expect(await failure()).toEqual({ code: 2, reason: "there are no words" })
  })

  it.each(["require", "off"])("goes on from its checkpoint after a failure (sandbox %s)", async (mode) => {
    edit(
      "src/train.py",
      "    ctx.log",
      '    if ctx.checkpoint.load() is None:\n        ctx.checkpoint.save(b"half")\n        raise SystemExit(3)\n    assert ctx.checkpoint.load() == b"half"\n    ctx.log'
    )
    expect((await failure("--sandbox", mode)).reason).toContain("exit code 3")
    const next = await run("--sandbox", mode)
    expect(events(next).find((event) => event.type === "StepStarted" && event.step === "train")).toHaveProperty(
      "resumedMs"
    )
    expect(lastEvent(next).executed).toEqual(["train"])
  })

  it("is not started when its code cannot be known", async () => {
    edit("src/train.py", "import json", "import json, importlib\nm = importlib.import_module(json.__name__)")
    expect(await failure()).toMatchObject({
      code: 2,
      reason: expect.stringMatching(/src\/train\.py:3: expected import_module with the name of a module.*Write out/u)
    })
    writeFileSync(path.join(root, "src/train.py"), "def f(:\n")
    expect((await failure()).reason).toMatch(/src\/train\.py:1: it is no Python 3/u)
    rmSync(path.join(root, "src/train.py"))
    expect((await failure()).reason).toContain("expected a Python file in")
    writeFileSync(path.join(root, "pipeline.ts"), pipeline('python: "python9"'))
    writeFileSync(path.join(root, "src/train.py"), train)
    expect((await failure()).reason).toContain("expected Python 3.8 or later as python9, but found no such program")
  })
})

describe("an environment of the project's own", () => {
  const add = (name: string, version: string, text: string): void => {
    const lib = execFileSync(path.join(root, ".venv/bin/python"), [
      "-c",
      "import sysconfig; print(sysconfig.get_path('purelib'))"
    ])
    const info = path.join(lib.toString().trim(), `${name}-${version}.dist-info`)
    mkdirSync(info, { recursive: true })
    writeFiles(path.dirname(info), {
      [`${name}.py`]: text,
      [`${name}-${version}.dist-info/METADATA`]: `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n`,
      [`${name}-${version}.dist-info/RECORD`]: `${name}.py,,\n${name}-${version}.dist-info/METADATA,,\n`
    })
  }

  it.each(["require", "off"])("counts by name and version, and is seen (sandbox %s)", async (mode) => {
    execFileSync("python3", ["-m", "venv", "--without-pip", path.join(root, ".venv")])
    add("wordy", "1.0", "def words(text): return text.split()\n")
    writeFileSync(path.join(root, "pipeline.ts"), pipeline('python: ".venv/bin/python", path: ["more"]'))
    writeFiles(root, { "more/extra.py": "import wordy\n" })
    edit("src/lib/deep.py", "def split", "try:\n    import faster\nexcept ImportError:\n    import extra\ndef split")
    const first = await run("--sandbox", mode)
    expect(first.code, first.stdout + first.stderr).toBe(0)
    add("wordy", "1.1", "def words(text): return text.split()\n")
    rmSync(
      path.join(root, execFileSync("find", [".venv", "-name", "wordy-1.0.dist-info"], { cwd: root }).toString().trim()),
      { recursive: true }
    )
    expect(await reasons("--sandbox", mode)).toEqual(['package wordy: "1.0" -> "1.1"'])
    add("faster", "2.0", "import sys\n")
    expect(await reasons("--sandbox", mode)).toEqual(['package faster: "absent" -> "2.0"'])
  })
})

describe("a declaration", () => {
  const Text = Artifact.text({ tag: "Text/v1", path: "t.txt" })
  it("is typed, and refused where it cannot work", () => {
    const make = (options: object) => () =>
      Stage.python({ name: "p", source: "p.py", inputs: {}, output: { text: Text }, ...options })
    expect(make({ env: { PYTHONPATH: "lib" } })).toThrow('Folders with modules go to path: ["lib"]')
    expect(make({ source: "" })).toThrow("expected source, python and path to be texts")
    const step = Pipeline.step(make({})(), { inputs: {} })
    expect(step.id).toBe("p")
    // @ts-expect-error it has no such output
    void step.out.other
    // @ts-expect-error it has no such parameter
    Pipeline.step(make({})(), { inputs: {}, params: { rate: 1 } })
  })
})
