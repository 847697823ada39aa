/**
 * The house rules as a function over sources: which room may import which, no circle between modules, how many files a folder
 * has, how long files and functions are, what stages leave alone. `test/architecture.test.ts` holds the repository to them.
 */
import * as path from "node:path"
import { parseSync } from "oxc-parser"

/** Room -> rooms that it may import, besides itself. The longest matching prefix is a file's room. */
const rooms: Readonly<Record<string, ReadonlyArray<string>>> = {
  "cache/identity": [],
  "cache/store": ["cache/identity"],
  "cache/remote": ["cache/identity", "cache/store"],
  "cache/code": ["cache/identity", "cache/store"],
  "core/start": ["cache/identity"],
  bin: ["core/start"],
  "core/pipeline": ["cache/identity", "cache/store"],
  "core/plan": ["cache/identity", "cache/store", "cache/code", "core/pipeline"],
  "core/executor": ["cache/identity", "cache/store", "cache/code", "core/pipeline"],
  "core/run": [
    ...["cache/identity", "cache/store", "cache/remote", "cache/code"],
    ...["core/pipeline", "core/plan", "core/executor"]
  ],
  "core/testing": ["cache/store", "core/pipeline", "core/executor"],
  // the public face
  core: ["core/pipeline"],
  "schemas/activations": [],
  schemas: ["core", "schemas/activations"],
  engine: ["schemas"],
  charts: ["schemas", "schemas/activations"],
  demo: ["core", "schemas"],
  "stages/lib": ["core"],
  "stages/lib/images": ["core", "schemas", "engine", "stages/lib"],
  "stages/lib/duplicates": ["core", "engine", "stages/lib", "stages/lib/images"],
  "stages/lib/dataset": ["core", "schemas", "stages/lib", "stages/lib/duplicates", "stages/lib/images"],
  "stages/lib/tables": ["schemas"],
  "stages/lib/network": ["core", "schemas", "engine", "stages/lib", "stages/lib/images", "stages/lib/tables"],
  "stages/lib/statistics": ["schemas", "schemas/activations", "stages/lib", "stages/lib/tables"],
  "stages/lib/report": [
    ...["schemas", "schemas/activations", "charts", "stages/lib"],
    ...["stages/lib/images", "stages/lib/statistics", "stages/lib/tables"]
  ],
  stages: [
    ...["core", "schemas", "engine", "charts", "stages/lib", "stages/lib/dataset", "stages/lib/duplicates"],
    ...["stages/lib/images", "stages/lib/network", "stages/lib/statistics", "stages/lib/tables", "stages/lib/report"]
  ],
  commands: [
    ...["cli", "demo", "schemas", "schemas/activations"],
    ...["stages/lib/network", "stages/lib/statistics", "stages/lib/tables", "stages/lib/report"]
  ],
  pipeline: ["core", "schemas", "engine", "stages", "demo", "commands"],
  losses: ["core", "schemas", "stages", "pipeline"],
  cli: [
    ...["cache/identity", "cache/store", "cache/remote", "cache/code"],
    ...["core", "core/pipeline", "core/plan", "core/executor", "core/run"]
  ]
}
/** The framework. Other rooms reach it through these modules alone: in the package they are what has a name. */
const framework = ["bin/", "cache/", "core/", "cli/"]
const publicFaces = new Set(["core/index.ts", "core/run/index.ts", "core/testing.ts", "cli/index.ts"])
const isFramework = (file: string): boolean => framework.some((folder) => file.startsWith(folder))
/** Rooms whose files do not import each other. */
const apart = new Set(["stages"])
/** Stages that compute for minutes or hours. An edit of what is drawn and said beside results must not run them again. */
const computing = ["stages/split.ts", "stages/augment.ts", "stages/train.ts", "stages/logits.ts"]
const isTelling = (file: string): boolean =>
  file.startsWith("charts/") ||
  file.startsWith("stages/lib/report/") ||
  file === "stages/lib/Figures.ts" ||
  file === "engine/Doctor.ts"
/** What a stage must not touch: results depend on parameters, inputs and seeds alone. */
const forbidden: ReadonlyArray<readonly [pattern: RegExp, what: string]> = [
  [/\bprocess\.env\b/, "process.env"],
  [/\bDate\.now\b|\bnew Date\(\)/, "the clock (use effect's Clock)"],
  [/\bMath\.random\b/, "Math.random (use stages/lib/Random.ts)"],
  [/from "node:/, "node:* (use effect's FileSystem and Path)"]
]
const longestFile = 420
const longestFunction = 60
const widestFolder = 12
/** Folders that may hold more files side by side, and why. */
const wideFolders: ReadonlyMap<string, string> = new Map()

/** Path from the repository's root -> source. */
export type Sources = Readonly<Record<string, string>>

const roomOf = (file: string): string | undefined =>
  Object.keys(rooms)
    .filter((room) => file === `${room}.ts` || file.startsWith(`${room}/`))
    .sort((a, b) => b.length - a.length)[0]

/** What a source imports or requires, types included. */
const importsOf = (source: string): ReadonlyArray<string> =>
  Array.from(source.matchAll(/(?:from|import|require)\s*\(?\s*"([^"]+)"/g), (match) => match[1]!)

const targetOf = (file: string, specifier: string): string => path.posix.join(path.posix.dirname(file), specifier)

const importProblems = (file: string, room: string, source: string): ReadonlyArray<string> =>
  importsOf(source).flatMap((specifier) => {
    if (specifier.startsWith("@tensorflow/")) {
      return room === "engine" || room.startsWith("stages/lib")
        ? []
        : [`${file} imports ${specifier}; only engine and stages/lib may`]
    }
    if (!specifier.startsWith(".")) return []
    const target = targetOf(file, specifier)
    const targetRoom = roomOf(target)
    if (targetRoom === undefined) return [`${file} imports ${target}, which is in no room`]
    if (targetRoom === room) return apart.has(room) ? [`${file} imports ${target}; these do not import each other`] : []
    if (!rooms[room]!.includes(targetRoom)) return [`${file} imports ${target}; ${room} may not import ${targetRoom}`]
    const isInside = isFramework(target) && !isFramework(file) && !publicFaces.has(target)
    return isInside ? [`${file} imports ${target}; from outside, the framework has a public face alone`] : []
  })

const withoutComments = (source: string): string => source.replace(/\/\*[\s\S]*?\*\/|(^|\s)\/\/.*$/gm, "$1")

interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [key: string]: unknown
}
const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && typeof (value as { readonly type?: unknown }).type === "string"

const functionTypes = new Set(["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"])

/** The functions in `value` that have a body, each with the name of what it is assigned to. */
const functionsIn = (value: unknown, name: string, found: Array<readonly [name: string, node: Node]>): void => {
  if (Array.isArray(value)) for (const each of value) functionsIn(each, name, found)
  if (!isNode(value)) return
  const own = value["id"] ?? value["key"]
  const ownName = isNode(own) && typeof own["name"] === "string" ? own["name"] : name
  if (functionTypes.has(value.type) && isNode(value["body"])) found.push([ownName, value])
  for (const [key, each] of Object.entries(value)) {
    if (key !== "parent" && typeof each === "object") functionsIn(each, ownName, found)
  }
}

const functionProblems = (file: string, source: string): ReadonlyArray<string> => {
  const found: Array<readonly [name: string, node: Node]> = []
  functionsIn(parseSync(file, source).program.body, "a function", found)
  return found.flatMap(([name, { start, end }]) => {
    const lines = source.slice(start, end).split("\n").length
    return lines > longestFunction ? [`${name} in ${file} has ${lines} lines; at most ${longestFunction}`] : []
  })
}

const fileProblems = (file: string, source: string): ReadonlyArray<string> => {
  const room = roomOf(file)
  if (room === undefined) return [`${file} is in no room`]
  const found = [...importProblems(file, room, source), ...functionProblems(file, source)]
  if (room.startsWith("stages")) {
    for (const [pattern, what] of forbidden) {
      if (pattern.test(withoutComments(source))) found.push(`${file} touches ${what}`)
    }
  }
  if (file.startsWith("core/") && /stages\//.test(withoutComments(source))) found.push(`${file} knows a stage`)
  // a program that a shell starts says in its first line by what
  if (!/^(#!.*\n)?\/\*\*/.test(source)) found.push(`${file} does not begin by saying what it is`)
  const lines = source.split("\n").length
  if (lines > longestFile) found.push(`${file} has ${lines} lines; at most ${longestFile}`)
  return found
}

type Imported = ReadonlyMap<string, ReadonlyArray<string>>

/** Which of the sources each one imports. */
const importedIn = (sources: Sources): Imported =>
  new Map(
    Object.entries(sources).map(([file, source]) => [
      file,
      importsOf(source).flatMap((specifier) => {
        const target = specifier.startsWith(".") ? targetOf(file, specifier) : ""
        return target in sources ? [target] : []
      })
    ])
  )

/** The shortest way from `start` over imports to a module that is looked for. */
const wayTo = (imported: Imported, start: string, isSought: (file: string) => boolean) => {
  const ways = new Map<string, ReadonlyArray<string>>([[start, [start]]])
  // a map's iteration goes on to what is added meanwhile
  for (const [at, way] of ways) {
    for (const next of imported.get(at) ?? []) {
      if (isSought(next)) return [...way, next]
      if (!ways.has(next)) ways.set(next, [...way, next])
    }
  }
  return undefined
}

/** Each circle between modules, once, as the shortest way from one of its modules back to it. */
export const circles = (sources: Sources): ReadonlyArray<ReadonlyArray<string>> => {
  const imported = importedIn(sources)
  const found = new Map<string, ReadonlyArray<string>>()
  for (const file of imported.keys()) {
    const way = wayTo(imported, file, (next) => next === file)?.slice(0, -1)
    const name = way?.toSorted().join()
    if (way !== undefined && name !== undefined && !found.has(name)) found.set(name, way)
  }
  return Array.from(found.values())
}

const tellingProblems = (sources: Sources): ReadonlyArray<string> => {
  const imported = importedIn(sources)
  return computing.flatMap((stage) => {
    const way = wayTo(imported, stage, isTelling)
    return way === undefined ? [] : [`${stage} reaches what only tells of results: ${way.join(" -> ")}`]
  })
}

const folderProblems = (sources: Sources): ReadonlyArray<string> => {
  const counts = new Map<string, number>()
  for (const file of Object.keys(sources)) {
    const folder = path.posix.dirname(file)
    counts.set(folder, (counts.get(folder) ?? 0) + 1)
  }
  return Array.from(counts)
    .filter(([folder, count]) => folder !== "." && count > widestFolder && !wideFolders.has(folder))
    .map(([folder, count]) => `${folder} holds ${count} files side by side; at most ${widestFolder}`)
}

/** In what `sources` break the rules. */
export const problems = (sources: Sources): ReadonlyArray<string> => [
  ...Object.entries(sources).flatMap(([file, source]) => fileProblems(file, source)),
  ...circles(sources).map((circle) => `a circle: ${[...circle, circle[0]].join(" -> ")}`),
  ...tellingProblems(sources),
  ...folderProblems(sources)
]
