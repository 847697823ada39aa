/** What TypeScript refuses is refused by a sentence too, where nobody asked it: pipelines are loaded without their types. */
import * as Schema from "effect/Schema"
import { describe, expect, it } from "vitest"
import * as op from "../../../../core/index.ts"

// biome-ignore lint/suspicious/noExplicitAny: as a pipeline in plain JavaScript sees it
const { Artifact, Pipeline, Stage } = op as any

const Folder = Artifact.folder({ tag: "Folder/v1", path: "data" })
const Text = Artifact.text({ tag: "Text/v1", path: "o.txt" })
const data = Pipeline.source({ name: "data", artifact: Folder, path: "data" })
const text = Pipeline.source({ name: "text", artifact: Text, path: "o.txt" })
const declared = { name: "work", command: "true", inputs: { d: Folder }, output: { o: Text } }
const work = Stage.command(declared)
const many = Stage.command({ ...declared, name: "many", inputs: { all: Artifact.many(Text) } })
const made = {
  name: "made",
  source: import.meta.url,
  params: Schema.Struct({}),
  inputs: {},
  output: { o: Text },
  run: () => undefined
}
const worked = Pipeline.step(work, { inputs: { d: data.port } })
const entries = Pipeline.entries(data.port, Text, { match: "*" })

const refused: ReadonlyArray<readonly [declare: () => unknown, says: string]> = [
  [() => Artifact.text(), "artifact: expected"],
  [() => Artifact.text({ path: "o.txt" }), "artifact: expected tag to be a text that is not empty, but found nothing"],
  [
    () => Artifact.file({ tag: "T/v1", path: "" }),
    "artifact T/v1: expected path to be a text that is not empty, but found ''"
  ],
  [() => Artifact.json({ tag: "T/v1", path: "t.json" }), "artifact T/v1: expected schema to be a Schema"],
  [
    () => Artifact.json({ tag: "T/v1", path: "t.json", schema: Schema.String, volatile: "s" }),
    "expected volatile to be a list of texts, but found 's'"
  ],
  [
    () => Pipeline.source({ name: "s", artifact: Text, path: "a", ignore: ["*.md"] }),
    `source s: expected ignore to be a function of a path, such as (path) => path.endsWith(".md"), but found [ '*.md' ]`
  ],
  [() => Pipeline.source({ name: "s", artifact: Text, path: 42 }), "source s: expected path to be a text"],
  [() => Pipeline.source({ name: "s", artifact: "text", path: "a" }), "source s: expected artifact to be an artifact"],
  [() => Pipeline.source({ name: "s", artifact: Text, links: "no" }), 'expected links to be "follow" or "keep"'],
  [() => Stage.make({ ...made, run: undefined }), "stage made: expected run to be a function, but found nothing"],
  [() => Stage.make({ ...made, params: {} }), "stage made: expected params to be a Schema, but found {}"],
  [() => Stage.make({ ...made, output: { o: "o.txt" } }), "stage made: expected output to be a record of artifacts"],
  [() => Stage.command({ ...declared, name: 42 }), "stage: expected name to be a text, but found 42"],
  [() => Stage.command({ ...declared, network: "yes" }), "stage work: expected network to be true or false"],
  [
    () => Stage.command({ ...declared, shell: "zsh" }),
    `stage work: expected shell to be a shell: "bash", "sh", or the words of another, but found 'zsh'`
  ],
  [() => Stage.command({ ...declared, retries: null }), "work: expected retries to be { times: 2"],
  [() => Stage.command({ ...declared, programs: "ls" }), "stage work: expected programs to be a list of texts"],
  [() => Pipeline.step(undefined, { inputs: {} }), "step: expected stage to be a stage"],
  [() => Pipeline.step(work), "step work: expected a record of options, but found nothing"],
  [() => Pipeline.make({ name: "p", steps: worked }), "pipeline p: expected steps to be a list of steps"],
  [() => Pipeline.make({ name: "p", steps: [work] }), "pipeline p: expected steps to be a list of steps"],
  [() => Pipeline.make({ name: "p", steps: [worked], seed: "1" }), "pipeline p: expected seed to be a whole number"],
  [() => Pipeline.make({ name: "p", steps: [worked], report: worked }), "pipeline p: expected report to be a port"]
]

const miswired: ReadonlyArray<readonly [declare: () => unknown, says: string]> = [
  [
    () => Pipeline.step(work, {}),
    "step work: expected input d to be wired to an output of a step (step.out.name) or a source (source.port), but found nothing"
  ],
  [() => Pipeline.step(work, { inputs: { d: data } }), "but found a source, whose port is .port"],
  [() => Pipeline.step(work, { inputs: { d: "data" } }), "but found 'data'"],
  [
    () => Pipeline.step(work, { inputs: { d: data.port, e: data.port } }),
    "step work: expected inputs of its stage (d), but found e"
  ],
  [
    () => Pipeline.step(work, { inputs: { d: text.port } }),
    "step work: expected input d to be wired to folder Folder/v1, but found text Text/v1"
  ],
  [() => Pipeline.step(work, { inputs: { d: entries } }), "one artifact, but found many. Place a step for each"],
  [
    () => Pipeline.step(many, { inputs: { all: text.port } }),
    "many artifacts for an input of Artifact.many, but found one"
  ],
  [() => Pipeline.each(work, { over: { d: data.port } }), "many artifacts for over, but found one"],
  [() => Pipeline.each(work, { over: { e: entries } }), "step work: expected input d to be wired to"]
]

describe("a declaration", () => {
  it.each(refused)("of another kind is refused when it is made: %s", (declare, says) => {
    expect(declare).toThrow(says)
    expect(declare).toThrow(expect.objectContaining({ name: "DeclarationError" }))
  })

  it.each(miswired)("of a step that wires its inputs otherwise is refused: %s", (declare, says) => {
    expect(declare).toThrow(says)
    expect(declare).toThrow(expect.objectContaining({ name: "DeclarationError" }))
  })
})
