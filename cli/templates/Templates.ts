/** Templates: the files that `op-pipe init` writes, for each kind of work. */

type Files = Readonly<Record<string, string>>

const text = { "text.txt": "the cat and the dog and the bird\n" }

/** One source, one step: the README's first pipeline. */
const shell: Files = {
  "pipeline.ts": `import { Artifact, Pipeline, Stage } from "op-pipe"

const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })
const Counts = Artifact.file({ tag: "Counts/v1", path: "counts.txt" })
const command = 'tr -s "[:space:]" "\\\\n" < "$text" | sort | uniq -c | sort -rn > "$counts"'

export const count = Stage.command({ name: "count", command, inputs: { text: Text }, output: { counts: Counts } })

const text = Pipeline.source({ name: "text", artifact: Text, path: "text.txt" })
export default Pipeline.make({ name: "words", steps: [Pipeline.step(count, { inputs: { text: text.port } })] })
`,
  ...text
}

const typescript: Files = {
  "pipeline.ts": `import { Pipeline } from "op-pipe"
import { count, Text } from "./stages/count.ts"

const text = Pipeline.source({ name: "text", artifact: Text, path: "text.txt" })
export default Pipeline.make({ name: "words", steps: [Pipeline.step(count, { inputs: { text: text.port } })] })
`,
  "stages/count.ts": `import { Effect, Schema } from "effect"
import { Artifact, Stage } from "op-pipe"

export const Text = Artifact.text({ tag: "Text/v1", path: "text.txt" })
const Counts = Artifact.json({ tag: "Counts/v1", path: "counts.json", schema: Schema.Record(Schema.String, Schema.Int) })

export const count = Stage.make({
  name: "count",
  source: import.meta.url,
  params: Schema.Struct({ least: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))) }),
  inputs: { text: Text },
  output: { counts: Counts },
  run: ({ params, inputs, output }) =>
    Effect.gen(function* () {
      const counts: Record<string, number> = {}
      for (const word of (yield* inputs.text.read).match(/\\S+/g) ?? []) counts[word] = (counts[word] ?? 0) + 1
      const often = Object.entries(counts).filter(([, times]) => times >= params.least)
      yield* output.counts.write(Object.fromEntries(often))
    })
})
`,
  ...text
}

const python: Files = {
  "pipeline.ts": `import { Effect, Schema } from "effect"
import { Artifact, Pipeline, Stage } from "op-pipe"

const Text = Artifact.text({ tag: "Text/v1", path: "text.txt" })
const Counts = Artifact.json({ tag: "Counts/v1", path: "counts.json", schema: Schema.Record(Schema.String, Schema.Int) })

const count = Stage.python({
  name: "count",
  source: "src/count.py",
  params: Schema.Struct({ least: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))) }),
  inputs: { text: Text },
  output: { counts: Counts }
})

const text = Pipeline.source({ name: "text", artifact: Text, path: "text.txt" })
export default Pipeline.make({ name: "words", steps: [Pipeline.step(count, { inputs: { text: text.port } })] })
`,
  "src/count.py": `import collections
import json

from lib.words import words
from op_pipe import ctx

counts = collections.Counter(words(ctx.inputs["text"].read_text()))
often = {word: times for word, times in counts.items() if times >= ctx.params["least"]}
ctx.outputs["counts"].write_text(json.dumps(often))
`,
  "src/lib/words.py": `def words(text):
    return text.split()
`,
  ...text
}

export const templates = { shell, typescript, python } as const
export const names = ["shell", "typescript", "python"] as const
