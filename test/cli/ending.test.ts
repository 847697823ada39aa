/** How a command ends: with all that it printed gone out, also when the reader is slow, has seen enough, or cannot take it. */
import { execFile } from "node:child_process"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import { repository } from "../lib/cli.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"

const count = 1500
/** As many steps as print more than a pipe holds. */
const many = `import { Artifact, Pipeline, Stage } from ${JSON.stringify(path.join(repository, "core/index.ts"))}
const output = { text: Artifact.file({ tag: "Text/v1", path: "text.txt" }) }
const named = (id) => Pipeline.step(Stage.command({ name: \`step-with-a-long-name-\${id}\`, command: "true", inputs: {}, output }), { inputs: {} })
export default Pipeline.make({ name: "many", steps: Array.from({ length: ${count} }, (_, id) => named(id)) })
`

const root = temporaryFolder()
writeFiles(root, { "package.json": '{ "type": "module" }', "pipeline.ts": many })

/** The shell's word on a line in which `op-pipe` is the command line. */
const shell = (line: string) =>
  new Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>((resolve) => {
    const bin = path.join(repository, "bin/op-pipe.cjs")
    const script = `op_pipe() { '${process.execPath}' '${bin}' "$@"; }; ${line}`
    execFile("bash", ["-c", script], { cwd: root, maxBuffer: 2 ** 26 }, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === "number" ? error.code : 0, stdout, stderr })
    )
  })

describe("a command", () => {
  it("ends when a slow reader has had everything", async () => {
    const { code, stdout } = await shell("set -o pipefail; op_pipe run --dry-run --json | (sleep 1; cat)")
    expect(code).toBe(0)
    expect(stdout.length).toBeGreaterThan(2 ** 16)
    const lines = stdout.trimEnd().split("\n")
    expect(lines).toHaveLength(count)
    expect(JSON.parse(lines.at(-1)!)).toMatchObject({ step: `step-with-a-long-name-${count - 1}` })
  })

  it("ends well when the reader has seen enough", async () => {
    const { code, stdout, stderr } = await shell("set -o pipefail; op_pipe run --dry-run --json | head -1")
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
    expect(stdout.trimEnd().split("\n")).toHaveLength(1)
  })

  it("ends with an error when what it prints cannot be written", async () => {
    const { code, stderr } = await shell("op_pipe run --dry-run --json > /dev/full")
    expect(code).toBe(1)
    expect(stderr).toContain("op-pipe: what it prints cannot be written: ENOSPC")
  })
})
