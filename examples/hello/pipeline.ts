import { Effect, Schema } from "effect"
import { Artifact, Pipeline, Stage } from "op-pipe"

const Line = Artifact.text({ tag: "Line/v1", path: "line.txt" })

const greet = Stage.command({
  name: "greet",
  params: Schema.Struct({ name: Schema.String.pipe(Schema.withDecodingDefaultKey(Effect.succeed("world"))) }),
  command: 'echo "hello, $name" > "$line"',
  inputs: {},
  output: { line: Line }
})

export default Pipeline.make({ name: "hello", steps: [Pipeline.step(greet, { inputs: {} })] })
