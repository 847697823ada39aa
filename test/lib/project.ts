/** Projects of their own for tests of the command line: fixtures copied, the framework linked. */
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync } from "node:fs"
import * as path from "node:path"
import { repository } from "./cli.ts"
import { writeFiles } from "./temporary.ts"

type Files = Readonly<Record<string, string | Uint8Array>>

/** The framework and its packages, which a project links. */
const linked = new Map(["core", "cache", "cli", "node_modules"].map((name) => [name, path.join(repository, name)]))

const isLink = (at: string, target: string | undefined): boolean =>
  lstatSync(at).isSymbolicLink() && readlinkSync(at) === target

const isFile = (at: string, content: string | Uint8Array | undefined): boolean =>
  content !== undefined && lstatSync(at).isFile() && Buffer.from(content).equals(readFileSync(at))

/** Removes from `root` what lies at `name` or below, but for what is as `files` have it. */
const keepOnly = (root: string, name: string, files: Files): void => {
  const at = path.join(root, name)
  if (lstatSync(at).isDirectory() && Object.keys(files).some((file) => file.startsWith(`${name}/`))) {
    for (const each of readdirSync(at)) keepOnly(root, `${name}/${each}`, files)
  } else if (!isFile(at, files[name]) && !isLink(at, linked.get(name))) {
    rmSync(at, { recursive: true, force: true, maxRetries: 3 })
  }
}

const filesOf = (fixture: string): Files => {
  const folder = path.join("test/fixtures", fixture)
  const entries = readdirSync(path.join(repository, folder), { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name))
  return Object.fromEntries(files.map((file) => [path.relative(repository, file), readFileSync(file)]))
}

/**
 * Makes the project at `root`: the folder `fixture` below test/fixtures, if any, and the given files. Nothing stays of an earlier test
 * there but files that are the same: they keep their times, so that bundles of them hold, and making those takes longer than most tests do.
 */
export const makeProject = (root: string, fixture: string | undefined, files: Files): void => {
  const all = { ...(fixture === undefined ? {} : filesOf(fixture)), "package.json": `{"type":"module"}`, ...files }
  mkdirSync(root, { recursive: true })
  for (const name of readdirSync(root)) keepOnly(root, name, all)
  for (const [name, target] of linked)
    if (!existsSync(path.join(root, name))) symlinkSync(target, path.join(root, name))
  writeFiles(root, Object.fromEntries(Object.entries(all).filter(([name]) => !existsSync(path.join(root, name)))))
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
