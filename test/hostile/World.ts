/**
 * World: a made-up project (files, helper modules, packages, stages, parameters) that exists twice: as files on disk, which
 * op-pipe sees, and as a model, from which an oracle computes what a clean run gives and what has to run.
 *
 * A stage's value is a digest of everything it depends on: its own constant, those of the helpers it reaches, the versions
 * of the packages they import, its parameters, and its inputs. It gives two documents: `fine`, that digest, and `coarse`, one bit of
 * it, so that an upstream change often leaves `coarse` as it was and the ripple must stop there.
 */
import { rmSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Digest from "../../cache/identity/Digest.ts"
import { Executor } from "../../core/Executor.ts"
import { Artifact, Pipeline, Stage, Toolchain } from "../../core/index.ts"
import { writeFiles } from "../lib/temporary.ts"

export interface Module {
  constant: number
  /** Changes nothing: written as a comment and as a type. */
  remark: number
  readonly helpers: ReadonlyArray<number>
  readonly packages: ReadonlyArray<number>
}

export interface StageModel extends Module {
  param: number
  readonly inputs: ReadonlyArray<{ readonly stage: number; readonly output: "fine" | "coarse" }>
  readonly readsSource: boolean
  readonly usesEngine: boolean
}

export interface World {
  readonly files: Map<string, string>
  readonly helpers: ReadonlyArray<Module>
  readonly packages: Array<number>
  readonly stages: ReadonlyArray<StageModel>
  /** The version of the engine that some stages compute with. */
  engine: number
}

const Value = Schema.Struct({ value: Schema.String })
const Files = Artifact.folder({ tag: "Files/v1", path: "." })
const Fine = Artifact.json({ tag: "Value/v1", path: "fine.json", schema: Value })
const Coarse = Artifact.json({ tag: "Value/v1", path: "coarse.json", schema: Value })

/** Helpers are reached downwards only: h0 may import h1, never the other way. */
export const reached = (
  world: World,
  module: Module
): { readonly helpers: ReadonlySet<number>; readonly packages: ReadonlySet<number> } => {
  const helpers = new Set<number>()
  const packages = new Set(module.packages)
  const visit = (index: number): void => {
    if (helpers.has(index)) return
    helpers.add(index)
    for (const each of world.helpers[index]!.packages) packages.add(each)
    world.helpers[index]!.helpers.forEach(visit)
  }
  module.helpers.forEach(visit)
  return { helpers, packages }
}

const sourceText = (module: Module, own: string, from: string): string =>
  [
    `// remark ${module.remark}`,
    ...module.helpers.map((index) => `import { h${index} } from "${from}h${index}.ts"`),
    ...module.packages.map((index) => `import "p${index}"`),
    `type Remark = ${module.remark}`,
    `export const ${own} = ${module.constant}${module.helpers.map((index) => ` + h${index}`).join("")}`
  ].join("\n")

/** Writes the world's files below `root`; only what differs is written. */
export const write = (world: World, root: string, written: Map<string, string>): void => {
  const files: Record<string, string> = { "package.json": "{}" }
  for (const [name, content] of world.files) files[`data/${name}`] = content
  for (const [index, helper] of world.helpers.entries())
    files[`lib/h${index}.ts`] = sourceText(helper, `h${index}`, "./")
  for (const [index, stage] of world.stages.entries()) files[`s${index}.ts`] = sourceText(stage, `s${index}`, "./lib/")
  for (const [index, version] of world.packages.entries()) {
    files[`node_modules/p${index}/package.json`] = JSON.stringify({ name: `p${index}`, version: `1.${version}.0` })
  }
  for (const name of written.keys()) {
    if (!(name in files)) {
      rmSync(path.join(root, name))
      written.delete(name)
    }
  }
  const changed = Object.entries(files).filter(([name, content]) => written.get(name) !== content)
  writeFiles(root, Object.fromEntries(changed))
  for (const [name, content] of changed) written.set(name, content)
}

/** The pipeline of `world` whose modules lie below `root`. */
export const pipelineOf = (world: World, root: string): Pipeline.Pipeline => {
  const source = Pipeline.source({ name: "files", artifact: Files })
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
      ports["files"] = source.port
    }
    for (const { stage, output } of model.inputs) {
      inputs[`s${stage}${output}`] = output === "fine" ? Fine : Coarse
      ports[`s${stage}${output}`] = (steps[stage]!.out as Record<string, Pipeline.Port<Artifact.Any>>)[output]!
    }
    const stage = Stage.make({
      name: `s${index}`,
      source: pathToFileURL(path.join(root, `s${index}.ts`)).href,
      params: Schema.Struct({ param: Schema.Int }),
      inputs,
      output: { fine: Fine, coarse: Coarse },
      toolchain: model.usesEngine ? { engine } : {},
      run: () => Effect.void
    })
    steps.push(
      Pipeline.step(stage as never, { inputs: ports as never, params: { param: model.param } as never }) as never
    )
  }
  return Pipeline.make({ name: "world", steps: steps as never })
}

interface Expected {
  readonly fine: string
  readonly coarse: string
  /** Everything that the step was made from: one text for one key. */
  readonly ingredients: string
}

/** What a clean run gives, by step id. */
export const expected = (world: World): ReadonlyMap<string, Expected> => {
  const values: Array<Expected> = []
  for (const [index, stage] of world.stages.entries()) {
    const { helpers, packages } = reached(world, stage)
    const ingredients = JSON.stringify([
      index,
      stage.constant,
      Array.from(helpers)
        .sort()
        .map((each) => [each, world.helpers[each]!.constant]),
      Array.from(packages)
        .sort()
        .map((each) => [each, world.packages[each]]),
      stage.param,
      stage.inputs.map((input) => values[input.stage]![input.output]),
      stage.usesEngine ? world.engine : null,
      stage.readsSource ? Array.from(world.files).sort(([a], [b]) => (a < b ? -1 : 1)) : []
    ])
    const fine = Digest.ofText(ingredients)
    values.push({ fine, coarse: String(Number.parseInt(fine.slice(0, 1), 16) % 2), ingredients })
  }
  return new Map(values.map((value, index) => [`s${index}`, value]))
}

/**
 * Does what the stages' modules would do, from the model: importing edited modules again and again in one process is not
 * possible, and what is tested is when they run and not what they compute.
 */
export const executor = (world: World, onExecute: (step: string) => void): Layer.Layer<Executor> =>
  Layer.succeed(Executor, {
    execute: (task) =>
      Effect.sync(() => {
        onExecute(task.step)
        const value = expected(world).get(task.step)!
        writeFileSync(path.join(task.outputDir, "fine.json"), JSON.stringify({ value: value.fine }))
        writeFileSync(path.join(task.outputDir, "coarse.json"), JSON.stringify({ value: value.coarse }))
        return { loaded: undefined }
      })
  })
