/**
 * The house rules, held: which room may import which, what stages leave alone, how long files may be.
 * The rules are a function over sources, and are themselves tried on samples that break them.
 */
import { readdirSync, readFileSync } from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import { repository } from "./lib/cli.ts"

/** Room -> rooms that it may import, besides itself. The longest matching prefix is a file's room. */
const rooms: Readonly<Record<string, ReadonlyArray<string>>> = {
  "cache/identity": [],
  "cache/store": ["cache/identity"],
  "cache/code": ["cache/identity", "cache/store"],
  core: ["cache/identity", "cache/store", "cache/code"],
  schemas: ["core"],
  engine: ["schemas"],
  charts: ["schemas"],
  demo: ["core", "schemas"],
  "stages/lib/Random": [],
  "stages/lib/images": ["core", "schemas", "engine", "charts", "stages/lib/Random"],
  "stages/lib/dataset": ["core", "schemas", "stages/lib/Random", "stages/lib/images"],
  "stages/lib/tables": ["schemas"],
  "stages/lib/network": ["core", "schemas", "engine", "stages/lib/Random", "stages/lib/images", "stages/lib/tables"],
  "stages/lib/statistics": ["schemas", "stages/lib/Random", "stages/lib/network", "stages/lib/tables"],
  "stages/lib/report": ["schemas", "charts", "stages/lib/images", "stages/lib/statistics", "stages/lib/tables"],
  stages: [
    "core",
    "schemas",
    "engine",
    "charts",
    "stages/lib/Random",
    "stages/lib/dataset",
    "stages/lib/images",
    "stages/lib/network",
    "stages/lib/statistics",
    "stages/lib/tables",
    "stages/lib/report"
  ],
  pipeline: ["core", "schemas", "stages", "demo"],
  commands: [
    "cache/identity",
    "cache/store",
    "core",
    "cli",
    "demo",
    "schemas",
    "stages/lib/network",
    "stages/lib/statistics",
    "stages/lib/tables",
    "stages/lib/report"
  ],
  cli: ["cache/identity", "cache/store", "cache/code", "core", "engine", "commands", "pipeline", "schemas"]
}
/** Rooms whose files do not import each other. */
const apart = new Set(["stages"])
/** What a stage must not touch: results depend on parameters, inputs and seeds alone. */
const forbidden: ReadonlyArray<readonly [pattern: RegExp, what: string]> = [
  [/\bprocess\.env\b/, "process.env"],
  [/\bDate\.now\b|\bnew Date\(\)/, "the clock (use effect's Clock)"],
  [/\bMath\.random\b/, "Math.random (use stages/lib/Random.ts)"],
  [/from "node:/, "node:* (use effect's FileSystem and Path)"]
]
const longestFile = 420

type Sources = Readonly<Record<string, string>>

const roomOf = (file: string): string | undefined =>
  Object.keys(rooms)
    .filter((room) => file === `${room}.ts` || file.startsWith(`${room}/`))
    .sort((a, b) => b.length - a.length)[0]

const importsOf = (source: string): ReadonlyArray<string> =>
  Array.from(source.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g), (match) => match[1]!)

const importProblems = (file: string, room: string, source: string): ReadonlyArray<string> =>
  importsOf(source).flatMap((specifier) => {
    if (specifier.startsWith("@tensorflow/")) {
      return room === "engine" || room.startsWith("stages/lib/")
        ? []
        : [`${file} imports ${specifier}; only engine and stages/lib may`]
    }
    if (!specifier.startsWith(".")) return []
    const target = path.posix.join(path.posix.dirname(file), specifier)
    const targetRoom = roomOf(target)
    if (targetRoom === undefined) return [`${file} imports ${target}, which is in no room`]
    if (targetRoom === room) return apart.has(room) ? [`${file} imports ${target}; these do not import each other`] : []
    return rooms[room]!.includes(targetRoom) ? [] : [`${file} imports ${target}; ${room} may not import ${targetRoom}`]
  })

const withoutComments = (source: string): string => source.replace(/\/\*[\s\S]*?\*\/|(^|\s)\/\/.*$/gm, "$1")

const problems = (sources: Sources): ReadonlyArray<string> =>
  Object.entries(sources).flatMap(([file, source]) => {
    const room = roomOf(file)
    if (room === undefined) return [`${file} is in no room`]
    const found = [...importProblems(file, room, source)]
    if (room === "stages" || room.startsWith("stages/lib/")) {
      for (const [pattern, what] of forbidden) {
        if (pattern.test(withoutComments(source))) found.push(`${file} touches ${what}`)
      }
    }
    if (room === "core" && /stages\//.test(withoutComments(source))) found.push(`${file} knows a stage`)
    if (!source.startsWith("/**")) found.push(`${file} does not begin by saying what it is`)
    const lines = source.split("\n").length
    if (lines > longestFile) found.push(`${file} has ${lines} lines; at most ${longestFile}`)
    return found
  })

const readSources = (): Sources => {
  const folders = ["cache", "core", "schemas", "engine", "charts", "demo", "stages", "commands", "cli"]
  const files = folders.flatMap((folder) =>
    readdirSync(path.join(repository, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => `${folder}/${name}`)
  )
  return Object.fromEntries(
    [...files, "pipeline.ts"].map((file) => [file, readFileSync(path.join(repository, file), "utf8")])
  )
}

describe("the house", () => {
  it("keeps its rules", () => {
    const sources = readSources()
    expect(Object.keys(sources).length).toBeGreaterThan(40)
    expect(problems(sources)).toEqual([])
  })
})

describe("the rules notice", () => {
  const header = "/** A file. */\n"
  it.each([
    [
      "an import against the grain",
      { "core/A.ts": `${header}import { b } from "../cli/B.ts"` },
      "core may not import cli"
    ],
    [
      "the cache knowing the framework",
      { "cache/store/A.ts": `${header}import "../../core/index.ts"` },
      "may not import core"
    ],
    [
      "identity reading the disk",
      { "cache/identity/A.ts": `${header}import type { Disk } from "../store/Disk.ts"` },
      "may not import cache/store"
    ],
    [
      "a lazy import",
      { "core/A.ts": `${header}const f = () => import("../engine/index.ts")` },
      "core may not import engine"
    ],
    [
      "one stage importing another",
      { "stages/a.ts": `${header}import { b } from "./b.ts"` },
      "do not import each other"
    ],
    [
      "tfjs outside its rooms",
      { "stages/a.ts": `${header}import "@tensorflow/tfjs-core"` },
      "only engine and stages/lib"
    ],
    ["the clock in a stage", { "stages/a.ts": `${header}const now = Date.now()` }, "the clock"],
    ["chance in a stage", { "stages/lib/images/A.ts": `${header}const x = Math.random()` }, "Math.random"],
    ["the environment in a stage", { "stages/a.ts": `${header}const x = process.env["X"]` }, "process.env"],
    ["node in a stage", { "stages/a.ts": `${header}import { readFileSync } from "node:fs"` }, "node:*"],
    ["a stage known by name", { "core/A.ts": `${header}const train = "stages/train.ts"` }, "knows a stage"],
    ["a file without a header", { "core/A.ts": "const a = 1" }, "does not begin"],
    ["a file too long", { "core/A.ts": header + "\n".repeat(500) }, "at most"],
    ["a file in no room", { "misc/A.ts": header }, "in no room"]
  ])("%s", (_what, sources, problem) => {
    expect(problems(sources as unknown as Sources).join("\n")).toContain(problem)
  })

  it("and lets good ones pass", () => {
    expect(
      problems({
        "stages/a.ts": `${header}import { Stage } from "../core/index.ts"\nimport { b } from "./lib/images/B.ts" // Date.now is not used`,
        "cli/A.ts": `${header}import { Disk } from "../cache/store/Disk.ts"`
      })
    ).toEqual([])
  })
})
