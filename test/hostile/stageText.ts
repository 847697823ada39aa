/** What a stage's module of a World holds besides its value: the artifacts as worldPipeline has them, and the work. */
import type { StageModel } from "./World.ts"

const inputNames = (stage: StageModel): ReadonlyArray<string> =>
  stage.inputs.map((input) => `s${input.stage}${input.output}`)

/** Lists a folder as entriesOf does. */
const listing = [
  "const isLeftBehind = (name) => ['.DS_Store', '.git', '__pycache__'].includes(name)",
  "const filesIn = (folder) => {",
  "  const entries = []",
  "  const visit = (at, shown, around) => {",
  "    for (const name of readdirSync(at).filter((each) => !isLeftBehind(each))) {",
  "      const [file, path] = [`${at}/${name}`, shown === '' ? name : `${shown}/${name}`]",
  "      const stat = statSync(file, { throwIfNoEntry: false })",
  "      const own = `${stat?.dev}:${stat?.ino}`",
  "      if (stat === undefined || around.includes(own)) entries.push([path, 'link', readlinkSync(file)])",
  "      else if (stat.isFile()) entries.push([path, 'file', textOf(file), stat.mode & 0o100 ? 1 : 0])",
  "      else {",
  "        entries.push([path, 'folder'])",
  "        visit(file, path, [...around, own])",
  "      }",
  "    }",
  "  }",
  "  const { dev, ino } = statSync(folder)",
  "  visit(folder, '', [`${dev}:${ino}`])",
  "  return entries.sort(([a], [b]) => (a < b ? -1 : 1))",
  "}"
]

export const stageText = (name: string, stage: StageModel): ReadonlyArray<string> => {
  const inputs = [
    ...(stage.readsSource ? ["files: Files"] : []),
    ...stage.inputs.map((input) => `s${input.stage}${input.output}: ${input.output === "fine" ? "Fine" : "Coarse"}`)
  ]
  const read = inputNames(stage).map((each) => `["${each}", textOf(inputs.${each}.path)]`)
  return [
    `import { createHash } from "node:crypto"`,
    `import { readdirSync, readFileSync as textFrom, readlinkSync, statSync } from "node:fs"`,
    `import * as Effect from "effect/Effect"`,
    `import * as Schema from "effect/Schema"`,
    `import { Artifact, Stage, Toolchain } from "./core/index.ts"`,
    "const Value = Schema.Struct({ value: Schema.String, by: Schema.String })",
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
    "const textOf = (file) => textFrom(file, 'utf8')",
    ...(stage.readsSource ? listing : []),
    // what is neither declared nor hidden would be seen here
    `const stray = process.env["OP_PIPE_WORLD_STRAY"] ?? process.env["OP_PIPE_WORLD_ASKED"] ?? ""`,
    "const valueOfAll = () => {",
    "  const seen = new Set()",
    "  const own = value(seen)",
    "  const entered = Array.from(globalThis.entered ?? []).sort(([a], [b]) => (a < b ? -1 : 1))",
    "  return [own, ...entered.map(([, each]) => each(seen))]",
    "}",
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
    "      const own = JSON.stringify([valueOfAll(), params.param, version, files]) + stray",
    `      const fine = createHash("sha256").update(JSON.stringify([own, ${read.join(", ")}])).digest("hex")`,
    `      yield* output.fine.write({ value: fine, by: "module" })`,
    `      yield* output.coarse.write({ value: String(Number.parseInt(fine.slice(0, 1), 16) % 2), by: "module" })`,
    "    })",
    "})"
  ]
}
