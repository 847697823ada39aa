/** What each verb prints with `--json` is in the shape that is published. */

import * as path from "node:path"
import { pathToFileURL } from "node:url"
import * as Schema from "effect/Schema"
import { beforeAll, describe, expect, it } from "vitest"
import { type Shape, shapes } from "../../cli/json/Shapes.ts"
import { opPipe } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { temporaryFolder } from "../lib/temporary.ts"

const root = path.join(temporaryFolder(), "project")
const op = (...args: ReadonlyArray<string>) => opPipe(args, { cwd: root })

const pipeline = `
import { Artifact, Pipeline, Stage } from "./core/index.ts"
const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })
const Count = Artifact.file({ tag: "Count/v1", path: "count.txt" })
const source = Pipeline.source({ name: "text", artifact: Text, path: "text.txt" })
const count = Pipeline.step(Stage.command({ name: "count", command: 'wc -w < "$text" | tee "$count"', inputs: { text: Text }, output: { count: Count } }), { inputs: { text: source.port }, variant: "a" })
const fail = Pipeline.step(Stage.command({ name: "fail", command: "false", inputs: { count: Count }, output: { count2: Count } }), { inputs: { count: count.out.count } })
export default Pipeline.make({ name: "shaped", steps: [count, fail] })
`

const shared = ["--remote", pathToFileURL(path.join(root, "shared")).href]

beforeAll(async () => {
  makeProject(root, undefined, { "pipeline.ts": pipeline, "text.txt": "one two", "shared/README": "" })
  await op("run", "--keep-going")
})

const verbs: ReadonlyArray<readonly [shape: Shape, args: ReadonlyArray<string>]> = [
  ["run", ["run", "--keep-going", "--verbose", "--force"]],
  ["run", ["run", "--dry-run"]],
  ["status", ["status"]],
  ["why", ["why", "count"]],
  ["dag", ["dag", "--status"]],
  ["read", ["read", "count"]],
  ["logs", ["logs", "count"]],
  ["table", ["table"]],
  ["sweep", ["sweep", "--set", 'count.command=wc -l < "$text" > "$count",false']],
  ["sweep", ["sweep", "--set", "count.command=true,false", "--dry-run"]],
  ["error", ["plots"]],
  ["error", ["status", "--nope"]],
  ["history", ["history"]],
  ["show", ["show", "last"]],
  ["diff", ["diff", "last~1", "last"]],
  ["restore", ["restore", "last"]],
  ["pin", ["pin", "last"]],
  ["unpin", ["unpin", "last"]],
  ["clean", ["clean"]],
  ["cache-stats", ["cache", "stats"]],
  ["cache-verify", ["cache", "verify"]],
  ["cache-gc", ["cache", "gc", "--dry-run"]],
  ["remote-status", ["remote", "status", ...shared]],
  ["remote-push", ["remote", "push", ...shared]],
  ["remote-pull", ["remote", "pull", ...shared]],
  ["remote-keygen", ["remote", "keygen"]],
  ["jobs", ["jobs"]],
  ["doctor", ["doctor"]],
  ["error", ["why", "cuont"]]
]

describe("with --json", () => {
  it.each(verbs.map(([shape, args]) => [args.join(" "), shape, args] as const))(
    "op-pipe %s",
    async (_, shape, args) => {
      const { stdout, stderr } = await op(...args, "--json")
      const lines = stdout.trimEnd().split("\n")
      expect(lines.length, stderr).toBeGreaterThan(0)
      const decode = Schema.decodeUnknownSync(shapes[shape] as Schema.Codec<unknown, unknown>, {
        onExcessProperty: "error"
      })
      for (const line of lines) decode(JSON.parse(line))
    }
  )

  it("init", async () => {
    const { stdout } = await opPipe(["init", "--json"], { cwd: temporaryFolder() })
    expect(Schema.is(shapes.init)(JSON.parse(stdout))).toBe(true)
  })

  it("has a JSON Schema for each shape", () => {
    for (const shape of Object.values(shapes))
      expect(Schema.toJsonSchemaDocument(shape as Schema.Top).dialect).toBe("draft-2020-12")
  })
})

describe("a name is written in one way", () => {
  it("by every verb that people read, and as an id for machines", async () => {
    for (const args of [
      ["run", "--keep-going", "--force"],
      ["status"],
      ["why", "count"],
      ["dag"],
      ["show", "last"],
      ["diff", "last~1", "last"]
    ]) {
      const { stdout } = await op(...args)
      expect(stdout).toContain("count(a)")
      expect(stdout).not.toContain("count@a")
    }
    expect((await op("status", "--json")).stdout).toContain('"count@a"')
  })
})

describe("a run", () => {
  it("says of cached steps one line, and nothing with --quiet if all is well", async () => {
    expect((await op("run", "--only", "count")).stdout).toMatch(
      /steps?.*\n✓ count\(a\) {2}cached\nDone in .*: 1 cached\.\n$/u
    )
    expect(await op("run", "--only", "count", "--quiet")).toEqual({ code: 0, stdout: "", stderr: "" })
    const failed = await op("run", "--quiet")
    expect(failed.code).toBe(1)
    expect(failed.stdout).toMatch(/^✗ fail {2}its command ended with exit code 1/u)
    expect(await op("run", "--quiet", "--verbose")).toMatchObject({
      code: 2,
      stderr: "op-pipe: --quiet and --verbose: expected one of these, but found both\n"
    })
  })
})
