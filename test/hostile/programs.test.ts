/**
 * Small programs that look where they like: below a home folder, in `/proc` and `/etc`, in the environment, in packages, in the
 * folders that they lie in. Each is a sealed step of two machines that differ in all that is not declared: home, host, place of the
 * project, variables, the files that lie about. The step gives the same on both, or fails.
 *
 * Not looked at is what the documents name as neither counted nor hidden (docs/adr/0005): times, owners, processors, the
 * system's own programs, the absolute place of a module.
 */

import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { describe, expect, it, vi } from "vitest"
import * as ProcessExecutor from "../../core/executor/ProcessExecutor.ts"
import * as Sandbox from "../../core/executor/Sandbox.ts"
import { Artifact, Pipeline, Stage } from "../../core/index.ts"
import { displayName } from "../../core/pipeline/Step.ts"
import { repository } from "../lib/cli.ts"
import { placeIn } from "../lib/place.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"
import { ran } from "../regressions/support.ts"
import { full, series, timeoutMs } from "./series.ts"
import { commandOf, curious, type Program, programs } from "./smallPrograms.ts"

const base = temporaryFolder()
const fixtures = path.join(repository, "test/fixtures/programs")
const Files = Artifact.folder({ tag: "Files/v1", path: "." })
const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })

/** What differs from one machine to the other. */
interface Machine {
  readonly name: string
  readonly home: string
  readonly project: string
  readonly isClean: boolean
}

const here: Machine = {
  name: "here",
  home: path.join(base, "homes/me"),
  project: path.join(base, "homes/me/work/project"),
  isClean: false
}
const elsewhere: Machine = {
  name: "elsewhere",
  home: path.join(base, "clean/you"),
  project: path.join(base, "clean/deep/er/project"),
  isClean: true
}
/** Where bubblewrap is called by another name of the machine; the same on both, since it is on PATH. */
const walls = path.join(base, "walls")
const machineFile = path.join(base, "machine")

/** Makes a machine's files: what is declared and, unless it is clean, much else. */
const make = ({ name, home, project, isClean }: Machine): void => {
  for (const folder of [home, project]) mkdirSync(folder, { recursive: true })
  writeFiles(project, { "data/a.txt": "one\n", "data/sub/b.txt": "two\n", "package.json": `{"type":"module"}` })
  cpSync(fixtures, project, { recursive: true })
  const stages = readFileSync(path.join(project, "stages.ts"), "utf8")
  writeFileSync(path.join(project, "stages.ts"), stages.replace("../../../core/", "./core/"))
  mkdirSync(path.join(project, "node_modules"))
  for (const each of ["core", "cache", "node_modules/effect", "node_modules/xxhash-wasm"]) {
    symlinkSync(path.join(repository, each), path.join(project, each))
  }
  writeFiles(path.join(base, name), {
    hostname: `${name}\n`,
    "machine-id": `${name.length}\n`,
    hosts: `127.0.0.1 ${name}\n`,
    "resolv.conf": `search ${name}\n`
  })
  if (isClean) return
  const secret = { "notes.txt": "secret\n", ".env": "TOKEN=secret\n", ".config/tool.json": "{}" }
  writeFiles(home, secret)
  writeFiles(path.dirname(project), secret)
  writeFiles(project, { ...secret, "node_modules/uncounted/index.js": "secret", "mine/x.txt": "secret" })
}

/** Calls bubblewrap on a machine of another name, where that is possible. */
const wrapper = `#!/bin/sh
read -r name < ${machineFile}
[ -z "$name" ] && exec BWRAP "$@"
exec unshare --mount --uts /bin/sh -c '
  hostname "$0"
  for file in hostname machine-id hosts resolv.conf; do
    [ -e "/etc/$file" ] && mount --bind "${base}/$0/$file" "/etc/$file"
  done
  exec BWRAP "$@"' "$name" "$@"
`

const bwrap = (process.env["PATH"] ?? "")
  .split(path.delimiter)
  .map((folder) => path.join(folder, "bwrap"))
  .find((file) => existsSync(file))

const moduleStage = (name: string, source: string) =>
  Stage.make({
    name,
    source,
    params: Schema.Struct({ program: Schema.String }),
    inputs: { src: Files },
    output: { text: Text },
    spawns: name === "spawning",
    run: () => Effect.void
  })

/** Of one machine, the steps of all programs. */
const pipelineOf = ({ project }: Machine, all: ReadonlyArray<Program>): Pipeline.Pipeline => {
  const src = Pipeline.source({ name: "src", artifact: Files })
  const scripts = Pipeline.source({ name: "scripts", artifact: Files, path: path.join(project, "scripts") })
  const source = pathToFileURL(path.join(project, "stages.ts")).href
  const stages = { confined: moduleStage("confined", source), spawning: moduleStage("spawning", source) }
  const steps = all.map((program, number) => {
    const { by, probes } = program
    const variant = `n${number}`
    if (by === "confined" || by === "spawning") {
      return Pipeline.step(stages[by] as never, {
        variant,
        inputs: { src: src.port } as never,
        params: { program: JSON.stringify(probes) } as never
      })
    }
    const inputs = { src: Files, scripts: Files }
    const stage = Stage.command({ name: by, command: commandOf(program), inputs, output: { text: Text } })
    return Pipeline.step(stage, { variant, inputs: { src: src.port, scripts: scripts.port } })
  })
  return Pipeline.make({ name: "programs", steps: steps as never })
}

/** What the programs give on a machine; undefined for one that failed. */
const runOn = async (machine: Machine, all: ReadonlyArray<Program>): Promise<ReadonlyArray<string | undefined>> => {
  writeFileSync(machineFile, isRoot ? `${machine.name}\n` : "\n")
  process.umask(machine.isClean ? 0o022 : 0o077)
  vi.stubEnv("LC_ALL", machine.isClean ? "C" : "POSIX")
  vi.stubEnv("TZ", machine.isClean ? "Asia/Tokyo" : "America/Lima")
  vi.stubEnv("HOME", machine.home)
  vi.stubEnv("OP_PIPE_TEST_STRAY", machine.name)
  vi.stubEnv("NODE_OPTIONS", machine.isClean ? "" : "--no-warnings")
  const place = placeIn(machine.project, path.join(machine.project, "data"))
  const { failures } = await ran(pipelineOf(machine, all), place, {
    sandbox: "require",
    executor: ProcessExecutor.layer,
    keepGoing: true
  })
  // a wall that cannot be put up hides all, and shows nothing of what it would let through
  expect(failures.filter((each) => each.includes("bwrap: "))).toEqual([])
  const failed = new Set(failures.map((each) => each.slice(0, each.indexOf(":"))))
  return all.map(({ by }, number) => {
    const step = `${by}@n${number}`
    return failed.has(displayName(step)) ? undefined : readFileSync(path.join(place.outputs, step, "text.txt"), "utf8")
  })
}

const differences = async (all: ReadonlyArray<Program>): Promise<ReadonlyArray<unknown>> => {
  const [found, clean] = [await runOn(here, all), await runOn(elsewhere, all)]
  expect(found.filter((each) => each !== undefined).length).toBeGreaterThan(all.length / 4)
  return all.flatMap(({ by, probes }, number) => {
    const [text, other = "failed"] = [found[number], clean[number]]
    if (text === undefined || text === other) return []
    const [lines, others] = [text.split("\n"), other.split("\n")]
    const at = lines.findIndex((line, index) => line !== others[index])
    return [{ by, here: lines[at], elsewhere: others[at], probes: JSON.stringify(probes) }]
  })
}

const isRoot = process.getuid?.() === 0
const { available, detail } = Sandbox.availability()

describe.skipIf(!available || bwrap === undefined)(`a sealed step (${available ? "" : "skipped: "}${detail})`, () => {
  const rounds = full ? 15 : 1
  const perRound = full ? 24 : 15
  it(
    `sees what it declares and nothing else (${rounds * perRound + 5} programs)`,
    async () => {
      for (const machine of [here, elsewhere]) make(machine)
      writeFiles(walls, { bwrap: wrapper.replaceAll("BWRAP", bwrap!) })
      chmodSync(path.join(walls, "bwrap"), 0o755)
      vi.stubEnv("PATH", `${walls}${path.delimiter}${process.env["PATH"]}`)
      vi.stubEnv("OP_PIPE_CACHE_DIR", path.join(base, "cache"))
      const found = Array.from(await differences(curious(here)))
      for (const round of series("small programs", rounds)) {
        found.push(...(await differences(fc.sample(programs(here), { numRuns: perRound, seed: round }))))
      }
      process.umask(0o022)
      expect(found).toEqual([])
    },
    timeoutMs
  )
})
