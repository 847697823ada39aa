/**
 * build: the JavaScript and types of the two packages, file by file.
 *
 * `dist/` is op-pipe's, which is packed from the repository's root. `dist-study/` is the whole of op-pipe-study: what is
 * built of the study, with the framework imported by its name, and a `package.json` of its own.
 *
 * Nothing is bundled: a stage's code identity is told by its modules, so the packages keep them apart as the sources do.
 */
import { execFileSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import * as Schema from "effect/Schema"
import { shapes } from "../cli/json/Shapes.ts"

interface Manifest {
  readonly version: string
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies: Readonly<Record<string, string>>
  readonly [field: string]: unknown
}

interface StudyManifest {
  readonly dependencies: ReadonlyArray<string>
  readonly optionalDependencies: ReadonlyArray<string>
  readonly [field: string]: unknown
}

const root = fileURLToPath(new URL("..", import.meta.url))
const dist = path.join(root, "dist")
const study = path.join(root, "dist-study")

/** The framework's modules that have a name, by their path in `dist/` without the ending. */
const named: Readonly<Record<string, string>> = { "core/index": "op-pipe", "cli/index": "op-pipe/cli" }
const framework = new Set(["cache", "core", "cli"])
/** Under which namespace of `op-pipe` declarations find the types of a module. */
const namespaces: Readonly<Record<string, string>> = {
  Artifact: "Artifact",
  Pipeline: "Pipeline",
  Stage: "Stage",
  Step: "Pipeline",
  Toolchain: "Toolchain"
}

const readJson = (file: string): unknown => JSON.parse(readFileSync(path.join(root, file), "utf8"))

/** Inferred types, `import("../core/pipeline/Step.js").Port`, as a user's TypeScript would write them. */
const withNamespaces = (text: string): string =>
  text.replaceAll(/import\("[./]*core\/pipeline\/(\w+)\.js"\)\./gu, (whole, module: string) => {
    const namespace = namespaces[module]
    return namespace === undefined ? whole : `import("op-pipe").${namespace}.`
  })

/** With the framework imported by name; a module of its inside cannot be. */
const byName = (file: string): string =>
  withNamespaces(readFileSync(path.join(dist, file), "utf8")).replaceAll(
    /(["'])(\.{1,2}\/[^"']+)\1/gu,
    (whole: string, quote: string, specifier: string) => {
      const target = path.posix.join(path.posix.dirname(file), specifier).replace(/\.[jt]s$/u, "")
      const name = named[target]
      if (name !== undefined) return `${quote}${name}${quote}`
      if (framework.has(target.split("/")[0]!)) throw new Error(`${file} imports ${target}, which has no name`)
      return whole
    }
  )

const studyManifest = (): unknown => {
  const ours = readJson("package.json") as Manifest
  const { dependencies, optionalDependencies, ...fields } = readJson("scripts/op-pipe-study.json") as StudyManifest
  const versions = { ...ours.devDependencies, ...ours.optionalDependencies, ...ours.dependencies }
  const pick = (names: ReadonlyArray<string>) => Object.fromEntries(names.map((name) => [name, versions[name]]))
  const { version, license, homepage, repository, bugs, engines, type } = ours
  return {
    ...fields,
    ...{ version, license, homepage, repository, bugs, engines, type },
    files: ["dist"],
    dependencies: pick(dependencies),
    optionalDependencies: pick(optionalDependencies),
    peerDependencies: { ...ours.peerDependencies, "op-pipe": `^${version}` }
  }
}

/** Declarations name modules by their sources' endings, which TypeScript leaves as they are. */
const withBuiltEndings = (): void => {
  for (const name of readdirSync(dist, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".d.ts")) continue
    const file = path.join(dist, name)
    writeFileSync(file, readFileSync(file, "utf8").replaceAll(/(["']\.{1,2}\/[^"']+)\.ts(["'])/gu, "$1.js$2"))
  }
}

/** Takes what is the study's out of `dist/`. */
const splitStudy = (): void => {
  const files = readdirSync(dist, { recursive: true, encoding: "utf8" }).map((file) => file.split(path.sep).join("/"))
  const isTheirs = (file: string): boolean => !framework.has(file.split("/")[0]!) && /\.(js|ts)$/u.test(file)
  // Nobody imports the verbs, and the types of what they do name the framework's inside.
  const isDeclarationOfVerb = (file: string): boolean => /^commands\/.*\.d\.ts$/u.test(file)
  const theirs = files.filter((file) => isTheirs(file) && !isDeclarationOfVerb(file))
  for (const file of theirs) {
    const to = path.join(study, "dist", file)
    mkdirSync(path.dirname(to), { recursive: true })
    writeFileSync(to, byName(file))
  }
  for (const name of readdirSync(dist)) {
    if (!framework.has(name)) rmSync(path.join(dist, name), { recursive: true })
  }
  // The engine's addon is built on the user's machine, from its sources.
  cpSync(path.join(root, "engine/native/src"), path.join(study, "dist/engine/native/src"), { recursive: true })
  writeFileSync(path.join(study, "package.json"), `${JSON.stringify(studyManifest(), null, 2)}\n`)
  cpSync(path.join(root, "docs/study.md"), path.join(study, "README.md"))
  cpSync(path.join(root, "LICENSE"), path.join(study, "LICENSE"))
}

/** Declarations that no declaration of a named module leads to: nobody can import what they are about. */
const dropInnerTypes = (): void => {
  const { exports } = readJson("package.json") as {
    readonly exports: Readonly<Record<string, { readonly types?: string }>>
  }
  const reached = new Set<string>()
  const reach = (file: string): void => {
    if (reached.has(file) || !existsSync(file)) return
    reached.add(file)
    for (const [, specifier] of readFileSync(file, "utf8").matchAll(/["'](\.{1,2}\/[^"']+)\.c?js["']/gu)) {
      for (const ending of [".d.ts", ".d.cts"]) reach(path.resolve(path.dirname(file), `${specifier}${ending}`))
    }
  }
  for (const { types } of Object.values(exports)) if (types !== undefined) reach(path.join(root, types))
  for (const name of readdirSync(dist, { recursive: true, encoding: "utf8" })) {
    const file = path.join(dist, name)
    if (!/\.d\.c?ts$/u.test(name)) continue
    if (!reached.has(file)) rmSync(file)
    else if (innerRooms.some((room) => name.startsWith(room)))
      writeFileSync(file, readFileSync(file, "utf8").replace(/^[ \t]*\/\*\*[\s\S]*?\*\/\n/gmu, ""))
  }
}
/** Rooms whose types stand in those of the public face, and whose doc comments no user's editor shows. */
const innerRooms = ["cache/", "core/executor/", "core/plan/"]

/** The compiler. What the doc comments say is in the types, where editors look for it; a third of each module would be comments. */
const compile = (...options: ReadonlyArray<string>): void => {
  const project = ["-p", path.join(root, "tsconfig.build.json")]
  execFileSync(path.join(root, "node_modules/.bin/tsc"), [...project, ...options], { stdio: "inherit" })
}

/** What the verbs print with `--json`, as JSON Schema. */
const writeSchemas = (): void => {
  mkdirSync(path.join(dist, "json"), { recursive: true })
  for (const [verb, shape] of Object.entries(shapes)) {
    const { schema, definitions } = Schema.toJsonSchemaDocument(shape as Schema.Top)
    const document = { $schema: "https://json-schema.org/draft/2020-12/schema", title: `op-pipe ${verb}`, ...schema }
    const whole = Object.keys(definitions).length === 0 ? document : { ...document, $defs: definitions }
    writeFileSync(path.join(dist, "json", `${verb}.json`), `${JSON.stringify(whole)}\n`)
  }
}

for (const folder of [dist, study]) rmSync(folder, { recursive: true, force: true })
compile("--declaration", "false", "--removeComments")
compile("--emitDeclarationOnly")
// The compiler leaves plain JavaScript and its types alone.
for (const name of ["FileStat.cjs", "FileStat.d.cts", "Resolver.cjs", "Resolver.d.cts"]) {
  cpSync(path.join(root, "cache/identity", name), path.join(dist, "cache/identity", name))
}
withBuiltEndings()
splitStudy()
dropInnerTypes()
writeSchemas()
