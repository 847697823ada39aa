/** Which packages a sealed step finds: those that its key counts, as its package manager laid them out, and no others. */
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { expect, it } from "vitest"
import * as Sandbox from "../../core/executor/Sandbox.ts"
import { opPipe, repository } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { temporaryFolder } from "../lib/temporary.ts"

interface Package {
  readonly text: string
  readonly needs?: ReadonlyArray<string>
}

const packages: Readonly<Record<string, Package>> = {
  counted: { text: `export { inner as value } from "@scope/inner"`, needs: ["@scope/inner", "not-there"] },
  "@scope/inner": { text: `export const inner = "inner"` },
  beside: { text: `export const beside = "beside"` },
  stray: { text: `export const stray = "stray"` },
  sloppy: { text: `export { stray } from "stray"` }
}

const writePackage = (folder: string, name: string, { text, needs = [] }: Package): void => {
  mkdirSync(folder, { recursive: true })
  const optionalDependencies = Object.fromEntries(needs.map((each) => [each, "1.0.0"]))
  const manifest = { name, version: "1.0.0", type: "module", exports: "./index.js", optionalDependencies }
  writeFileSync(path.join(folder, "package.json"), JSON.stringify(manifest))
  writeFileSync(path.join(folder, "index.js"), `${text}\n`)
}

/** A link to `target`, in a folder that is made. */
const link = (target: string, at: string): void => {
  mkdirSync(path.dirname(at), { recursive: true })
  symlinkSync(path.relative(path.dirname(at), target), at)
}

const layouts: Readonly<Record<string, (root: string) => void>> = {
  npm: (root) => {
    for (const [name, each] of Object.entries(packages)) writePackage(path.join(root, "node_modules", name), name, each)
  },
  pnpm: (root) => {
    const folderOf = (name: string): string =>
      path.join(root, "node_modules/.pnpm", `${name.replace("/", "+")}@1.0.0`, "node_modules", name)
    for (const [name, each] of Object.entries(packages)) {
      writePackage(folderOf(name), name, each)
      link(folderOf(name), path.join(root, "node_modules", name))
      for (const needed of (each.needs ?? []).filter((one) => one in packages)) {
        link(folderOf(needed), path.join(folderOf(name), "../".repeat(name.split("/").length), needed))
      }
    }
  }
}

/** By its real path, which is there without a bundle too. */
const framework = (root: string): string => path.relative(root, path.join(repository, "core/index.ts"))

const stage = (imports: string, value: string) => (root: string) =>
  `import { existsSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Artifact, Stage } from "${framework(root)}"
${imports}
const Value = Artifact.json({ tag: "Value/v1", path: "value.json", schema: Schema.Unknown })
const folder = import.meta.dirname + "/node_modules/"
export const first = Stage.make({
  name: "first",
  source: import.meta.url,
  params: Schema.Struct({}),
  inputs: {},
  output: { value: Value },
  run: ({ output }) => output.value.write(${value})
})
`

const project = (layout: string, text: (root: string) => string): string => {
  const root = path.join(temporaryFolder(), "project")
  makeProject(root, undefined, {
    "first.ts": text(root),
    // of a module that passes others on, all are loaded, whatever is asked of it
    "barrel.ts": `export { own } from "./own.ts"\nexport { other } from "./other.ts"\n`,
    "own.ts": `export const own = "own"\n`,
    "other.ts": `import { beside } from "beside"\nexport const other = beside\n`,
    "pipeline.ts": `import { Pipeline } from "${framework(root)}"
import { first } from "./first.ts"
export default Pipeline.make({ name: "p", steps: [Pipeline.step(first, { inputs: {} })] })
`
  })
  rmSync(path.join(root, "node_modules"))
  for (const name of ["effect", "xxhash-wasm"]) {
    link(path.join(repository, "node_modules", name), path.join(root, "node_modules", name))
  }
  layouts[layout]?.(root)
  return root
}

const run = async (root: string, bundle: string) => {
  const finished = await opPipe(["run"], { cwd: root, env: { OP_PIPE_BUNDLE: bundle } })
  const read = (): unknown => JSON.parse(readFileSync(path.join(root, "outputs/first/value.json"), "utf8"))
  return { ...finished, read }
}

const names = `Object.fromEntries(["counted", "stray", "beside"].map((name) => [name, existsSync(folder + name)]))`
const all = `{ value, own, there: ${names} }`

it.for([
  ["npm", "on"],
  ["npm", "off"],
  ["pnpm", "on"],
  ["pnpm", "off"]
] as const)("by %s, bundled: %s", { timeout: 120_000 }, async ([layout, bundle], { skip }) => {
  if (!Sandbox.availability().available) return skip("there is no bubblewrap")
  const root = project(layout, stage(`import { value } from "counted"\nimport { own } from "./barrel.ts"`, all))
  const { code, stdout, stderr, read } = await run(root, bundle)
  expect(code, stdout + stderr).toBe(0)
  expect(read()).toEqual({ value: "inner", own: "own", there: { counted: true, stray: false, beside: true } })
})

it("of a package that nothing names, the error says so, and what to do", async ({ skip }) => {
  if (!Sandbox.availability().available) return skip("there is no bubblewrap")
  const root = project("npm", stage(`import { stray } from "sloppy"`, "stray"))
  const failed = await run(root, "on")
  expect(failed.code).toBe(1)
  expect(failed.stdout).toContain("Cannot find package 'stray'")
  expect(failed.stdout).toContain(
    'stray is installed, but no package.json of what the stage imports names it, so it does not count. Write `import "stray"` in a module of the stage, or have it named'
  )
  writeFileSync(path.join(root, "first.ts"), stage(`import { stray } from "sloppy"\nimport "stray"`, "stray")(root))
  const { code, stdout, stderr, read } = await run(root, "on")
  expect(code, stdout + stderr).toBe(0)
  expect(read()).toBe("stray")
})
