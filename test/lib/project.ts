/** Projects of their own for tests of the command line: fixtures copied, the framework linked. */
import { cpSync, mkdirSync, symlinkSync } from "node:fs"
import * as path from "node:path"
import { repository } from "./cli.ts"
import { writeFiles } from "./temporary.ts"

/** Makes the project at `root`: the folder `fixture` below test/fixtures, if any, and the given files. */
export const makeProject = (
  root: string,
  fixture: string | undefined,
  files: Readonly<Record<string, string | Uint8Array>>
): void => {
  mkdirSync(root, { recursive: true })
  if (fixture !== undefined) {
    const folder = path.join("test/fixtures", fixture)
    cpSync(path.join(repository, folder), path.join(root, folder), { recursive: true })
  }
  for (const name of ["core", "cache", "cli", "node_modules"]) {
    symlinkSync(path.join(repository, name), path.join(root, name))
  }
  writeFiles(root, { "package.json": `{"type":"module"}`, ...files })
}

/** A module with the artifact `Value`, of a schema that is given as text. */
export const valueModule = (schema: string): string => `import * as Schema from "effect/Schema"
import { Artifact } from "./core/index.ts"
export const Value = Artifact.json({ tag: "Value/v1", path: "value.json", schema: ${schema} })
`

/** A module with a stage that gives a `Value` of `value.ts`; its inputs and its work are given as text. */
export const stageModule = (
  name: string,
  inputs: string,
  run: string
): string => `import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Stage } from "./core/index.ts"
import { Value } from "./value.ts"
export const ${name} = Stage.make({
  name: "${name}",
  source: import.meta.url,
  params: Schema.Struct({}),
  inputs: ${inputs},
  output: { value: Value },
  run: ({ inputs, output, progress }) => ${run}
})
`

/** A pipeline of two stages in modules of their names; the second reads the `value` of the first. */
export const chainModule = (first: string, second: string): string => `import { Pipeline } from "./core/index.ts"
import { ${first} } from "./${first}.ts"
import { ${second} } from "./${second}.ts"
const one = Pipeline.step(${first}, { inputs: {} })
export default Pipeline.make({ name: "chain", steps: [Pipeline.step(${second}, { inputs: { value: one.out.value } })] })
`
