/** The pipeline of a World. */
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Artifact, Pipeline, Stage, Toolchain } from "../../core/index.ts"
import { type CommandModel, program, type StageModel, script, type World } from "./World.ts"
import { paramOf } from "./worldValues.ts"

const Value = Schema.Struct({ value: Schema.String, by: Schema.String })
const Files = Artifact.folder({ tag: "Files/v1", path: "." })
const Script = Artifact.file({ tag: "Script/v1", path: "tool.sh" })
const Fine = Artifact.json({ tag: "Value/v1", path: "fine.json", schema: Value })
const Coarse = Artifact.json({ tag: "Value/v1", path: "coarse.json", schema: Value })

/** The variables that a World is about; stages must not see them. */
export const variables = { asked: "OP_PIPE_WORLD_ASKED", stray: "OP_PIPE_WORLD_STRAY" } as const

/** Computes what worldValues says of a command. */
const commandText = ({ inputs }: StageModel, { remark, swapped }: CommandModel): string => {
  const read = inputs.map(({ stage, output }) => `cat "$s${stage}${output}"`)
  const format = swapped ? '{"by":"command","value":"%s"}' : '{"value":"%s","by":"command"}'
  return [
    `# remark ${remark}`,
    `all() { echo "$PARAM"; sh "$script"; ${program}; if [ -x "$script" ]; then echo x; fi; ${read.join("; ")}; }`,
    `digest=$(all | sha256sum | cut -c1-64)`,
    'case "$digest" in [02468ace]*) bit=0 ;; *) bit=1 ;; esac',
    `printf '${format}\\n' "$digest" > "$fine"`,
    `printf '${format}\\n' "$bit" > "$coarse"`
  ].join("\n")
}

/** The pipeline of `world` whose modules lie below `root`, as a `pipeline.ts` that reads the environment would make it. */
export const pipelineOf = (world: World, root: string): Pipeline.Pipeline => {
  const files = Pipeline.source({ name: world.sourceName, artifact: Files })
  const tool = Pipeline.source({ name: "tool", artifact: Script, path: path.join(root, script) })
  const environment = { asked: Number(process.env[variables.asked]), stray: 0 }
  const engine = Toolchain.make({
    name: "engine",
    params: Schema.Struct({}),
    identity: Schema.Struct({ version: Schema.Int }),
    cores: () => 1,
    identify: () => Effect.succeed({ version: world.engine })
  })
  const steps: Array<Pipeline.AnyStep> = []
  for (const [index, model] of world.stages.entries()) {
    const inputs: Record<string, Artifact.Any> = {}
    const ports: Record<string, Pipeline.Port<Artifact.Any>> = {}
    if (model.readsSource) {
      inputs["files"] = Files
      ports["files"] = files.port
    }
    if (model.command !== undefined) {
      inputs["script"] = Script
      ports["script"] = tool.port
    }
    for (const { stage, output } of model.inputs) {
      inputs[`s${stage}${output}`] = output === "fine" ? Fine : Coarse
      ports[`s${stage}${output}`] = (steps[stage]!.out as Record<string, Pipeline.Port<Artifact.Any>>)[output]!
    }
    const param = paramOf({ stages: world.stages, environment }, index)
    const common = { name: `s${index}`, inputs, output: { fine: Fine, coarse: Coarse } }
    const stage =
      model.command === undefined
        ? Stage.make({
            ...common,
            source: pathToFileURL(path.join(root, `s${index}.ts`)).href,
            params: Schema.Struct({ param: Schema.Int }),
            toolchain: model.usesEngine ? { engine } : {},
            run: () => Effect.void
          })
        : Stage.command({
            ...common,
            command: commandText(model, model.command),
            env: { PARAM: String(param) },
            programs: [program]
          })
    const params = model.command === undefined ? { param } : {}
    steps.push(Pipeline.step(stage as never, { inputs: ports as never, params: params as never }) as never)
  }
  return Pipeline.make({ name: "world", steps: steps as never })
}
