/** What the command line says of sandboxes: where there is none, and of results that were made without one. */
import { execFileSync } from "node:child_process"
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import * as Sandbox from "../../core/executor/Sandbox.ts"
import { opPipe } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { temporaryFolder } from "../lib/temporary.ts"

const placesOf = (fixture: string): ReadonlyArray<string> => [
  ...["--file", `test/fixtures/${fixture}/pipeline.ts`],
  ...["--store", "store", "--outputs", "outputs"]
]
const places = placesOf("commands")

const newProject = (fixture: string): string => {
  const root = temporaryFolder()
  const texts = `test/fixtures/${fixture}/texts`
  makeProject(root, fixture, { [`${texts}/a.txt`]: "hello big world\n", [`${texts}/b.txt`]: "again\n" })
  return root
}

/** A folder with the programs of the system but bubblewrap, to be the only one on PATH. */
const withoutBubblewrap = (): string => {
  const folder = temporaryFolder()
  for (const from of ["/usr/bin", "/bin"]) {
    for (const name of readdirSync(from)) {
      if (name === "bwrap") continue
      try {
        symlinkSync(path.join(from, name), path.join(folder, name))
      } catch {
        // the one is a link to the other
      }
    }
  }
  return folder
}

describe("where there is no bubblewrap", () => {
  it("steps run, and a line says that they were not sealed and why", async () => {
    const [root, PATH] = [newProject("commands"), withoutBubblewrap()]
    const { code, stdout } = await opPipe(["run", ...places], { cwd: root, env: { PATH } })
    expect(code, stdout).toBe(0)
    const line = "made without a sandbox, since bubblewrap is not installed. `apt-get install bubblewrap`"
    expect(stdout.split(line).length).toBe(2)
    const status = await opPipe(["status", ...places], { cwd: root, env: { PATH } })
    expect(status.stdout).toContain("fresh (unsealed)")
    const again = await opPipe(["run", ...places], { cwd: root, env: { PATH } })
    expect(again.stdout).not.toContain("sandbox")
    const required = await opPipe(["run", ...places, "--sandbox=require"], { cwd: root, env: { PATH } })
    expect(required.code).toBe(2)
    expect(required.stdout).toContain("expected a sandbox, since --sandbox=require asks for one")
  })
})

const isRoot = process.getuid?.() === 0
const nobody = 65_534

/** Why the steps of an ordinary user cannot be sealed here; undefined if they can. */
const hindrance = (): string | undefined => {
  if (!Sandbox.availability().available) return "there is no bubblewrap"
  if (!isRoot) return "the tests do not run as root, and so run as an ordinary user anyway"
  try {
    execFileSync("bwrap", ["--unshare-all", "--ro-bind", "/", "/", "true"], {
      uid: nobody,
      gid: nobody,
      stdio: "ignore"
    })
    execFileSync(process.execPath, ["--version"], { uid: nobody, gid: nobody, stdio: "ignore" })
    return undefined
  } catch {
    return "an ordinary user may not make namespaces, or not start Node"
  }
}

it.for(["commands", "hermetic"])("an ordinary user's steps are sealed, too: %s", async (fixture, { skip }) => {
  const reason = hindrance()
  if (reason !== undefined) return skip(reason)
  const root = newProject(fixture)
  execFileSync("chown", ["-hR", String(nobody), root])
  for (const folder of [path.dirname(root), root]) chmodSync(folder, 0o755)
  const home = path.join(root, "home")
  mkdirSync(home)
  execFileSync("chown", [String(nobody), home])
  const finished = await opPipe(["run", ...placesOf(fixture), "--sandbox=require"], {
    cwd: root,
    env: { HOME: home, OP_PIPE_CACHE_DIR: path.join(home, "cache") },
    uid: nobody
  })
  expect(finished.code, finished.stdout + finished.stderr).toBe(0)
})

const pipelineModule = `import { readFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Artifact, Pipeline, Stage } from "./core/index.ts"
const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })
const bytes = Effect.sync(() => readFileSync(new URL("./table.txt", import.meta.url)))
export const counted = Stage.make({
  name: "counted",
  source: import.meta.url,
  params: Schema.Struct({}),
  inputs: {},
  output: { text: Text },
  run: ({ output }) => Effect.flatMap(bytes, output.text.write)
})
const command = \`(cat "\${import.meta.dirname}/secret.txt" || echo hidden) > "$text" 2>/dev/null\`
const looking = Stage.command({ name: "looking", command, inputs: {}, output: { text: Text } })
const steps = [Pipeline.step(counted, { inputs: {} }), Pipeline.step(looking, { inputs: {} })]
export default Pipeline.make({ name: "p", steps })
`

// hermetic 17: Docker's /usr/src/app
it("a project among the system's folders is hidden but for what counts, from wherever it is run", async ({ skip }) => {
  if (!Sandbox.availability().available) return skip("there is no bubblewrap")
  if (!isRoot) return skip("only root may write to /opt")
  const root = mkdtempSync("/opt/op-pipe-test-")
  try {
    makeProject(root, undefined, { "pipeline.ts": pipelineModule, "table.txt": "counted", "secret.txt": "secret" })
    mkdirSync(path.join(root, "sub"))
    const text = (step: string) => readFileSync(path.join(root, "outputs", step, "text.txt"), "utf8")
    for (const cwd of [root, path.join(root, "sub")]) {
      const { code, stdout } = await opPipe(["run", "--sandbox=require", "--force", "all"], { cwd })
      expect(code, stdout).toBe(0)
      expect([text("counted"), text("looking")]).toEqual(["counted", "hidden\n"])
    }
  } finally {
    rmSync(root, { recursive: true })
  }
})
