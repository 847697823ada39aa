/** What `op-pipe diff` says of two runs: all that differs, and that nothing does only where nothing does. */
import { writeFileSync } from "node:fs"
import * as path from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { opPipe } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"

const root = path.join(temporaryFolder(), "project")
const op = (...args: ReadonlyArray<string>) => opPipe(args, { cwd: root })

const pipeline = (more = "", text = ""): string => `
import * as Schema from "effect/Schema"
import { Artifact, Pipeline, Stage } from "./core/index.ts"
const Text = Artifact.file({ tag: "Text/v1", path: "in.txt" })
const Upper = Artifact.file({ tag: "Upper/v1", path: "upper.txt" })
const Lines = Artifact.folder({ tag: "Lines/v1", path: "lines" })
const Count = Artifact.json({ tag: "Count/v1", path: "count.json", schema: Schema.Unknown })
const text = Pipeline.source({ name: "text", artifact: Text, path: "in.txt" })
const up = Pipeline.step(Stage.command({ name: "up", command: 'tr a-z A-Z < "$text" > "$upper"${text}', inputs: { text: Text }, output: { upper: Upper } }), { inputs: { text: text.port } })
const split = Pipeline.step(Stage.command({ name: "split", command: 'while read -r line; do echo "$line" > "$lines/$line"; done < "$upper"', inputs: { upper: Upper }, output: { lines: Lines } }), { inputs: { upper: up.out.upper } })
const count = Pipeline.step(Stage.command({ name: "count", command: 'printf "{\\\\"words\\\\": %d, \\\\"list\\\\": [%s]}" "$(wc -w < "$upper")" "$(seq -s , "$(wc -w < "$upper")")" > "$count"', inputs: { upper: Upper }, output: { count: Count } }), { inputs: { upper: up.out.upper } })
const rest = Pipeline.step(Stage.command({ name: "rest", command: 'echo > "$upper"', inputs: {}, output: { upper: Upper } }), { inputs: {} })
export default Pipeline.make({ name: "compared", steps: [up, split, count, rest${more}] })
`

beforeAll(async () => {
  makeProject(root, undefined, { "pipeline.ts": pipeline(), "in.txt": "one\n" })
  await op("run")
  writeFiles(root, { "in.txt": `${Array.from({ length: 30 }, (_, at) => `word${at}`).join("\n")}\n` })
  await op("run")
})

describe("diff", () => {
  it("tells of inputs, files by their bytes, folders by their entries and documents by their values", async () => {
    const { stdout } = await op("diff", "last~1", "last")
    expect(stdout).toContain("up\n  input text: 1 changed (in.txt)\n  upper.txt changed (4 B -> 200 B)\n")
    expect(stdout).toContain(
      "split\n  input upper changed\n  lines: 30 added (lines/WORD0, lines/WORD1, lines/WORD10, ...), 1 removed (lines/ONE)\n"
    )
    expect(stdout).toContain(
      "count\n  input upper changed\n  count.json.words: 1 -> 30\n  count.json.list.1: absent -> 2\n"
    )
    expect(stdout).toContain("rest  the same\n")
  })

  it("shows a few lines of a step, and all with --json", async () => {
    const { stdout } = await op("diff", "last~1", "last")
    expect(stdout).toContain("  ... and 19 more; --json has all\n")
    const { steps } = JSON.parse((await op("diff", "last~1", "last", "--json")).stdout) as {
      readonly steps: ReadonlyArray<{
        readonly id: string
        readonly same: boolean
        readonly outputs: ReadonlyArray<string>
      }>
    }
    expect(steps.map(({ id, same }) => [id, same])).toEqual([
      ["up", false],
      ["split", false],
      ["count", false],
      ["rest", true]
    ])
    expect(steps[2]?.outputs).toHaveLength(30)
  })

  it("of a run and itself is the same", async () => {
    expect((await op("diff", "last", "last")).stdout).toBe(
      "up  the same\nsplit  the same\ncount  the same\nrest  the same\n"
    )
  })

  it("tells of commands, of steps that failed, and of those that one run did not have", async () => {
    writeFileSync(path.join(root, "pipeline.ts"), pipeline("", "; exit 3"))
    await op("run", "--keep-going")
    const failed = await op("diff", "last~1", "last")
    expect(failed.stdout).toMatch(/up\n {2}failed in \S+\nsplit\n {2}skipped in /u)
    writeFileSync(path.join(root, "pipeline.ts"), pipeline("", " "))
    await op("run", "--only", "up")
    const { stdout } = await op("diff", "last~2", "last")
    expect(stdout).toContain("up\n  parameter command: ")
    expect(stdout).toMatch(/rest\n {2}was no part of /u)
  })
})
