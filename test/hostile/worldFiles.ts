/**
 * A World on disk: its modules, packages, links and data as files, and the pipeline of its stages.
 *
 * Modules really compute what the model says of them. Stages' modules do so too where `framework` is given; without it they
 * cannot be executed, and spare op-pipe the reading of the framework in each of thousands of projects.
 */
import { mkdirSync, readdirSync, rmdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Artifact, Pipeline, Stage, Toolchain } from "../../core/index.ts"
import {
  barrel,
  linkMark,
  type Module,
  nameInBarrel,
  outside,
  ownValue,
  type Package,
  type StageModel,
  type World
} from "./World.ts"

const inputNames = (stage: StageModel): ReadonlyArray<string> =>
  stage.inputs.map((input) => `s${input.stage}${input.output}`)

/** What a stage's module holds besides its value: the artifacts as pipelineOf has them, and the work. */
const stageText = (name: string, stage: StageModel): ReadonlyArray<string> => {
  const inputs = [
    ...(stage.readsSource ? ["files: Files"] : []),
    ...stage.inputs.map((input) => `s${input.stage}${input.output}: ${input.output === "fine" ? "Fine" : "Coarse"}`)
  ]
  const read = inputNames(stage).map((each) => `["${each}", (yield* inputs.${each}.read).value]`)
  return [
    `import { createHash } from "node:crypto"`,
    `import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs"`,
    `import * as path from "node:path"`,
    `import * as Effect from "effect/Effect"`,
    `import * as Schema from "effect/Schema"`,
    `import { Artifact, Stage, Toolchain } from "./core/index.ts"`,
    "const Value = Schema.Struct({ value: Schema.String })",
    `const Files = Artifact.folder({ tag: "Files/v1", path: "." })`,
    `const Fine = Artifact.json({ tag: "Value/v1", path: "fine.json", schema: Value })`,
    `const Coarse = Artifact.json({ tag: "Value/v1", path: "coarse.json", schema: Value })`,
    "const engine = Toolchain.make({",
    `  name: "engine",`,
    "  params: Schema.Struct({}),",
    "  identity: Schema.Struct({ version: Schema.Int }),",
    "  cores: () => 1,",
    "  identify: () => Effect.succeed({ version: 0 })",
    "})",
    "const entryOf = (folder: string) => (name: string) => {",
    "  const at = path.join(folder, name)",
    "  if (existsSync(at)) return [name, readFileSync(at, 'utf8')]",
    `  return [name, "${linkMark}" + readlinkSync(at)]`,
    "}",
    "const filesIn = (folder: string) =>",
    `  readdirSync(folder, { recursive: true, encoding: "utf8" })`,
    "    .filter((name) => !lstatSync(path.join(folder, name)).isDirectory())",
    "    .sort()",
    "    .map(entryOf(folder))",
    `export const ${name} = Stage.make({`,
    `  name: "${name}",`,
    "  source: import.meta.url,",
    "  params: Schema.Struct({ param: Schema.Int }),",
    `  inputs: { ${inputs.join(", ")} },`,
    "  output: { fine: Fine, coarse: Coarse },",
    `  toolchain: { ${stage.usesEngine ? "engine" : ""} },`,
    "  run: ({ params, inputs, output, toolchain }) =>",
    "    Effect.gen(function* () {",
    `      const files = ${stage.readsSource ? "filesIn(inputs.files.path)" : "[]"}`,
    `      const version = ${stage.usesEngine ? "toolchain.engine.version" : "null"}`,
    "      const own = JSON.stringify([value(), params.param, version, files])",
    `      const fine = createHash("sha256").update(JSON.stringify([own, ${read.join(", ")}])).digest("hex")`,
    "      yield* output.fine.write({ value: fine })",
    "      yield* output.coarse.write({ value: String(Number.parseInt(fine.slice(0, 1), 16) % 2) })",
    "    })",
    "})"
  ]
}

const importText = (specifier: string, index: number): string => {
  const name = nameInBarrel(specifier)
  if (name !== undefined) return `import { ${name} as i${index} } from "${specifier.split("#")[0]}"`
  // it is not always installed
  if (specifier === "p7") return `const i${index} = await import("p7").catch(() => ({ value: ["absent"] }))`
  return `import * as i${index} from "${specifier}"`
}

const importedText = (specifier: string, index: number): string => {
  const name = nameInBarrel(specifier)
  if (name !== undefined) return `["${name}", i${index}(seen)]`
  return specifier.startsWith(".") ? `i${index}.value(seen)` : `i${index}.value`
}

const moduleText = (file: string, module: Module, stage: ReadonlyArray<string>): string => {
  const isTyped = file.endsWith(".ts")
  const [place, constant] = ownValue(file, module).map((each) => JSON.stringify(each))
  const imported = module.imports.map((each, index) => `, ${importedText(each, index)}`)
  const isStage = /^s\d+\.ts$/u.test(file)
  const turns = ["first", "second"].map((name) => `const ${name} = ++turn`)
  // helpers only declare: of a barrel, neighbours that did more would count as well
  const places = module.swapped ? ["const first = 2", "const second = 1"] : ["const first = 1", "const second = 2"]
  return [
    `// remark ${module.remark}`,
    ...module.imports.map(importText),
    ...(isTyped ? [`type Remark = ${module.remark}`] : []),
    ...(isStage ? ["let turn = 0", ...(module.swapped ? turns.toReversed() : turns)] : places),
    // when it is loaded, a module that imports it may not be
    `export const value = (seen = new Set()) =>`,
    `  seen.has(${place}) ? [${place}] : [seen.add(${place}) && ${place}, ${constant}, first, second${imported.join("")}]`,
    ...stage,
    ""
  ].join("\n")
}

const packageFiles = (
  folder: string,
  { name, version, constant, imports }: Package
): Readonly<Record<string, string>> => {
  const own = `${JSON.stringify(name ?? path.posix.basename(folder))}, ${version}, ${constant}`
  if (name === undefined) return { [`${folder}/index.js`]: `exports.value = [${own}]\n` }
  const dependencies = Object.fromEntries(imports.map((each) => [each, "*"]))
  return {
    [`${folder}/package.json`]: JSON.stringify({ name, version: `1.${version}.0`, type: "module", dependencies }),
    [`${folder}/index.js`]: [
      ...imports.map((each, index) => `import * as i${index} from "${each}"`),
      `export const value = [${own}${imports.map((_, index) => `, i${index}.value`).join("")}]`,
      ""
    ].join("\n")
  }
}

/** Path -> content, or where a link leads that has "-> " before it. */
const textsOf = (world: World, framework: string | undefined): ReadonlyMap<string, string> => {
  const texts = new Map([["package.json", `{"type":"module"}`]])
  texts.set(path.posix.join(outside, "../package.json"), `{"name":"outside","type":"module"}`)
  for (const [name, content] of world.files) texts.set(`data/${name}`, content)
  for (const [file, module] of world.modules) {
    const [, stage] = /^s(\d+)\.ts$/.exec(file) ?? []
    const isStage = stage !== undefined && framework !== undefined
    texts.set(file, moduleText(file, module, isStage ? stageText(`s${stage}`, world.stages[Number(stage)]!) : []))
  }
  const reexports = Array.from(world.reexports, ([name, helper]) => {
    return `export { value as ${name} } from "./${path.posix.basename(helper)}"\n`
  })
  texts.set(barrel, reexports.join(""))
  for (const [folder, each] of world.packages) {
    for (const [file, text] of Object.entries(packageFiles(folder, each))) texts.set(file, text)
  }
  for (const [at, target] of world.links) texts.set(at, linkMark + target)
  if (framework !== undefined) {
    for (const each of ["core", "cache", "node_modules/effect", "node_modules/xxhash-wasm"]) {
      texts.set(each, linkMark + path.join(framework, each))
    }
  }
  return texts
}

/** Removes `file`, and the folders that are empty without it. */
const remove = (root: string, file: string): void => {
  rmSync(path.join(root, file))
  for (let folder = path.dirname(file); folder !== "." && folder !== ".."; folder = path.dirname(folder)) {
    if (readdirSync(path.join(root, folder)).length > 0) return
    rmdirSync(path.join(root, folder))
  }
}

/** Writes the world below `root`; only what differs from `written` is written. */
export const write = (world: World, root: string, written: Map<string, string>, framework?: string): void => {
  const texts = textsOf(world, framework)
  for (const [file, before] of written) {
    const text = texts.get(file)
    if (text === before) continue
    // a file in a link's place would be written where the link leads
    if (text === undefined || before.startsWith(linkMark) || text.startsWith(linkMark)) remove(root, file)
    written.delete(file)
  }
  for (const [file, text] of texts) {
    if (written.has(file)) continue
    const at = path.join(root, file)
    mkdirSync(path.dirname(at), { recursive: true })
    if (text.startsWith(linkMark)) symlinkSync(text.slice(linkMark.length), at)
    else writeFileSync(at, text)
    written.set(file, text)
  }
}

const Value = Schema.Struct({ value: Schema.String })
const Files = Artifact.folder({ tag: "Files/v1", path: "." })
const Fine = Artifact.json({ tag: "Value/v1", path: "fine.json", schema: Value })
const Coarse = Artifact.json({ tag: "Value/v1", path: "coarse.json", schema: Value })

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
