/** Variables that are passed on and do not count (voidzero-dev/vite-task PR#455, better-auth/better-auth PR#8489), and secret ones. */
import { readdirSync, readFileSync } from "node:fs"
import * as path from "node:path"
import { beforeEach, describe, expect, it } from "vitest"
import { Artifact, Stage } from "../../core/index.ts"
import { opPipe } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { temporaryFolder } from "../lib/temporary.ts"

const base = temporaryFolder()
let root = ""

const pipeline = `
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Artifact, Pipeline, Stage } from "./core/index.ts"
const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })
const fetch = Stage.command({
  name: "fetch",
  command: 'test -n "$API_TOKEN"; echo "token $API_TOKEN from $REGION"; printf "%s" "\${API_TOKEN%??}"; sleep 0.2; echo "\${API_TOKEN: -2}"; echo "$API_TOKEN" >&2; test "$MOOD" = good; echo data > "$text"',
  inputs: {}, output: { text: Text }, secrets: ["API_TOKEN"], passEnv: ["REGION", "MOOD"]
})
export const ask = Stage.make({
  name: "ask", source: import.meta.url, params: Schema.Struct({}), inputs: {}, output: { text: Text }, secrets: ["API_TOKEN"], passEnv: ["MOOD"],
  run: ({ output, progress }) => Effect.gen(function* () {
    const token = process.env["API_TOKEN"]
    yield* progress({ label: "with " + token, done: 1, total: 1, unit: "calls" })
    console.log("asking with " + token, process.env["OTHER"])
    if (process.env["MOOD"] === "thrown") throw new Error("refused: " + token)
    if (process.env["MOOD"] === "bad") return yield* new Stage.StageFailure({ reason: "refused: " + token })
    yield* output.text.write(new Uint8Array(1))
  })
})
const steps = [Pipeline.step(fetch, { inputs: {} }), Pipeline.step(ask, { inputs: {} })]
export default Pipeline.make({ name: "secretive", steps })
`

beforeEach(() => {
  root = path.join(base, "project")
  makeProject(root, undefined, { "pipeline.ts": pipeline })
})

const op = (env: Readonly<Record<string, string>>, ...args: ReadonlyArray<string>) =>
  opPipe(args, { cwd: root, env: { API_TOKEN: "", REGION: "", MOOD: "good", ...env } })
/** Files of the store that hold `text`. */
const holding = (text: string): ReadonlyArray<string> =>
  readdirSync(path.join(root, ".op-pipe"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => readFileSync(file).includes(text))

describe("a secret", () => {
  it("is seen by the step, and is in no key, record, log or message", async () => {
    const first = await op({ API_TOKEN: "not-a-secret-1", REGION: "here" }, "run", "--verbose", "--json")
    expect(first.code).toBe(0)
    expect(first.stdout).toContain("token *** from here")
    expect(first.stdout).toContain('"label":"with ***"')
    const second = await op({ API_TOKEN: "not-a-secret-2", REGION: "there" }, "run")
    expect(second.stdout).toContain("2 cached")
    for (const step of ["fetch", "ask"]) {
      const logs = await op({}, "logs", step, "--raw")
      expect(logs.stdout).toContain("***")
      expect(logs.stdout).not.toContain("not-a-")
    }
    const why = await op({ API_TOKEN: "not-a-secret-3" }, "why", "fetch", "--json")
    expect(first.stdout + second.stdout + why.stdout).not.toContain("not-a-")
    expect(holding("not-a-")).toEqual([])
  })

  it.each(["bad", "thrown"])("is masked in what a step fails with (%s)", async (mood) => {
    const { code, stdout } = await op({ API_TOKEN: "not-a-secret-1", MOOD: mood }, "run", "--keep-going")
    expect(code).toBe(1)
    expect(stdout).toContain("refused: ***")
    expect(stdout).not.toContain("not-a-")
    expect(holding("not-a-")).toEqual([])
  })

  it("that is not there ends the run before any work, if a step needs it", async () => {
    for (const env of [{}, { API_TOKEN: "" }]) {
      const { code, stdout, stderr } = await op(env, "run")
      expect(code).toBe(2)
      expect(stderr).toContain("the secret API_TOKEN of fetch: expected a value in the environment")
      expect(stdout).toBe("")
    }
    await op({ API_TOKEN: "not-a-secret-1" }, "run")
    expect((await op({}, "run")).code).toBe(0)
    expect((await op({}, "run", "--verify")).code).toBe(2)
    expect((await op({}, "run", "--force", "fetch")).code).toBe(2)
    expect((await op({}, "run", "--force", "--dry-run")).code).toBe(0)
  })

  it("is declared by the names of variables of the user's", () => {
    const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })
    const make = (declared: object) => () =>
      Stage.command({ name: "bad", command: "true", inputs: {}, output: { text: Text }, ...declared })
    expect(make({ secrets: "TOKEN" })).toThrow("stage bad: expected secrets to be a list of names, but found string")
    expect(make({ passEnv: ["a-b"] })).toThrow('expected passEnv to hold names of variables, but found "a-b"')
    expect(make({ passEnv: ["PATH"] })).toThrow("but found PATH, which op-pipe sets itself")
    expect(make({ passEnv: ["A"], secrets: ["A"] })).toThrow("expected A in passEnv or in secrets")
    expect(make({ secrets: ["text"] })).toThrow('different names of shell variables, but found "text"')
  })
})

describe("what looks like a secret in env", () => {
  const declared = `
import { Artifact, Pipeline, Stage } from "./core/index.ts"
const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })
const of = (name: string, env: Record<string, string>) =>
  Stage.command({ name, command: 'echo done > "$text"', inputs: {}, output: { text: Text }, env })
const fetch = of("fetch", { API_TOKEN: "not-a-secret", REGION: "here" })
const rest = of("rest", { DB_PASSWORD: "", MAX_TOKENS: "5", MONKEY: "see" })
const steps = [...["a", "b"].map((variant) => Pipeline.step(fetch, { variant, inputs: {} })), Pipeline.step(rest, { inputs: {} })]
export default Pipeline.make({ name: "careless", steps })
`

  it("is told once, by its name alone, when it is about to be recorded", async () => {
    root = path.join(base, "careless")
    makeProject(root, undefined, { "pipeline.ts": declared })
    const first = await op({}, "run", "--force", "all")
    expect(first.code, first.stdout).toBe(0)
    expect(first.stdout.match(/^! .*$/gmu)).toEqual([
      '! fetch: API_TOKEN in env will be recorded with the result. If nobody may read that, declare secrets: ["API_TOKEN"] instead, and set it in the environment of op-pipe'
    ])
    expect(first.stdout).not.toContain("not-a-")
    expect((await op({}, "run")).stdout).not.toContain("API_TOKEN")
  })
})
