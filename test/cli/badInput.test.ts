/** Each verb with input that cannot be right: exit code 2, one sentence that says what was expected, nothing lost, nobody's insides. */
import { execFileSync } from "node:child_process"
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { opPipe } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { temporaryFolder } from "../lib/temporary.ts"

const root = path.join(temporaryFolder(), "project")
const op = (...args: ReadonlyArray<string>) => opPipe(args, { cwd: root })

const pipeline = `
import { Artifact, Pipeline, Stage } from "./core/index.ts"
const Text = Artifact.file({ tag: "Text/v1", path: "in.txt" })
const Out = Artifact.file({ tag: "Out/v1", path: "out.txt" })
const text = Pipeline.source({ name: "text", artifact: Text, path: "in.txt" })
const up = Stage.command({ name: "up", command: 'tr a-z A-Z < "$text" > "$out"', inputs: { text: Text }, output: { out: Out } })
export default Pipeline.make({ name: "p", steps: [Pipeline.step(up, { inputs: { text: text.port } })], profiles: { small: {} } })
`

const files = (): ReadonlyArray<string> =>
  [".op-pipe/v1/results", ".op-pipe/v1/blobs", ".op-pipe/v1/runs", "outputs"].flatMap((folder) =>
    readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" })
  )
let before: ReadonlyArray<string> = []

beforeAll(async () => {
  makeProject(root, undefined, {
    "pipeline.ts": pipeline,
    "in.txt": "hello",
    "throws.ts": "throw new Error('of the user')",
    "syntax.ts": "export default {",
    "missing.ts": 'import "./nowhere.ts"\nexport default 1',
    "number.ts": "export default 1",
    "null.ts": "export default null",
    "function.ts": "export default () => 1",
    "promise.ts": "export default Promise.resolve(1)",
    "text.py": "",
    "thrown.ts": "throw { of: 'the user' }",
    "late.ts": "setTimeout(() => { throw new Error('late') }, 0); await new Promise((done) => setTimeout(done, 5000))",
    "lone.ts": "Promise.reject(new Error('lone')); await new Promise((done) => setTimeout(done, 5000))",
    "empty.ts": ""
  })
  await op("run")
  await op("run", "--force")
  before = files()
})

const noRun = "but found no such run"
const unexpected = 'Unexpected positional argument: "extra"'
/** What pipelines cannot be, and what is said of them. */
const noPipeline: ReadonlyArray<readonly [file: string, says: string]> = [
  ["nope.ts", "expected a pipeline, but there is no such file"],
  ["number.ts", "expected a default export made by Pipeline.make, but found 1"],
  ["null.ts", "expected a default export made by Pipeline.make, but found null"],
  ["function.ts", "expected a default export made by Pipeline.make, but found a function. Export what it returns"],
  ["promise.ts", "but found a Promise. Write `export default await` before it"],
  ["thrown.ts", "thrown.ts could not be loaded: it threw { of: 'the user' }"],
  ["empty.ts", "expected a default export made by Pipeline.make, but found no default export"],
  ["core", "expected a file with a pipeline, but found a folder. Name the file in it: --file PATH"],
  ["throws.ts", "could not be loaded: Error: of the user"],
  ["syntax.ts", "could not be loaded"],
  ["missing.ts", "could not be loaded"]
]

const table: Readonly<Record<string, ReadonlyArray<readonly [args: string, says: string]>>> = {
  run: [
    ["--only nope", 'expected one of the steps up, but found "nope"'],
    ["--from nope", 'expected one of the steps up, but found "nope"'],
    ["--force nope", 'expected one of the steps up, but found "nope"'],
    ["--profile smal", 'expected one of the profiles small, but found "smal". Did you mean "small"?'],
    ["--set up.command", '--set up.command: expected step.parameter=value, but found "up.command"'],
    ["--set upp.command=x", 'but found "upp". Did you mean "up"?'],
    ["--set up.comand=x", 'expected one of the parameters command, env, but found "comand". Did you mean "command"?'],
    ["--set up.env=3", "up.env: expected"],
    ["--seed x", "--seed x: expected a number"],
    ["--seeds 0", "--seeds 0: expected a value between 1 and 1000"],
    ["--cores 0", "--cores 0: expected a value between 1 and"],
    [
      "--data nope.txt",
      "nope.txt for text: expected a file, but found nothing there. Put it there, or name another with --data text=PATH"
    ],
    ["--data txt=in.txt", '--data txt=in.txt: expected one of the sources text, but found "txt". Did you mean "text"?'],
    ["--data core", "core for text: expected a file, but found a"],
    ["--store in.txt", "--store in.txt: expected a folder, but"],
    ["--store /dev/null/x", "--store /dev/null/x: expected a folder, but /dev/null is a file"],
    ["--outputs in.txt/below", "--outputs in.txt/below: expected a folder, but"],
    ["--sandbox=maybe", '--sandbox maybe: expected "auto" | "require" | "off"'],
    ["--file text.py", "text.py: expected a module, a file that ends in .ts, "],
    ["--file late.ts", "expected the modules of the pipeline not to throw, but one did: Error: late\n    at "],
    ["--file lone.ts", "expected the modules of the pipeline not to throw, but one did: Error: lone\n    at "],
    ["--nope", "Unrecognized flag: --nope"],
    ["extra", unexpected]
  ],
  status: [
    ["--profile x", 'but found "x"'],
    ["--set nope.a=1", 'but found "nope"'],
    ["extra", unexpected]
  ],
  why: [
    ["", "Missing required argument: step"],
    ["upp", 'Did you mean "up"?'],
    ["up extra", unexpected]
  ],
  dag: [
    ["--format png", '--format png: expected "text" | "json"'],
    ["--profile x", 'but found "x"'],
    ["extra", unexpected]
  ],
  logs: [
    ["", "Missing required argument: step"],
    ["nope", "expected one of the steps"],
    ["up --run nope", noRun],
    ["up --run 2", "but found 2 runs that begin with it"]
  ],
  history: [
    ["extra", unexpected],
    ["--store in.txt", "expected a folder"]
  ],
  show: [
    ["", "Missing required argument: run"],
    ["nope", noRun],
    ["last~9", noRun],
    ["last~x", noRun]
  ],
  diff: [
    ["last", "Missing required argument: other"],
    ["last nope", noRun],
    ["nope last", noRun]
  ],
  restore: [
    ["", "Missing required argument: run"],
    ["nope", noRun],
    ["last --outputs in.txt", "expected a folder"],
    ["last --outputs=", '--outputs "": expected a folder. Name one, or leave it out']
  ],
  pin: [
    ["nope", noRun],
    ["", "Missing required argument: run"]
  ],
  unpin: [
    ["nope", noRun],
    ["last extra", unexpected]
  ],
  clean: [
    ["extra", unexpected],
    ["--outputs in.txt", "expected a folder"]
  ],
  "cache gc": [
    ["--max-gib x", "--max-gib x: expected a number"],
    ["--max-gib=-1", "--max-gib -1: expected"],
    ["--max-days=-5", "--max-days -5: expected"]
  ],
  cache: [["nope", 'Unknown subcommand "nope"']],
  doctor: [["extra", unexpected]],
  init: [
    ["", "expected a folder without a pipeline.ts, but found one. Nothing was written"],
    ["extra", unexpected]
  ],
  nope: [
    ["", 'expected a command, but found "nope".'],
    ["--help", 'expected a command, but found "nope".']
  ],
  stauts: [
    ["", 'Did you mean "status"?'],
    ["--help", 'Did you mean "status"?']
  ]
}

/** Places in Node and in op-pipe say nothing to who typed a command. */
const insides = /node:internal|program\.js|made-|\bat (?:async )?\S+ \(|This is a bug/u

const refused = async (args: ReadonlyArray<string>, says: string) => {
  const { code, stdout, stderr } = await op(...args)
  expect({ code, stdout, stderr }).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining(says) })
  expect(stderr).toMatch(/^op-pipe: /u)
  expect(stderr).not.toMatch(insides)
}

describe.each(Object.entries(table))("op-pipe %s", (verb, rows) => {
  it.each(rows)("%s", (args, says) =>
    refused([...verb.split(" "), ...args.split(" ").filter((each) => each !== "")], says)
  )
})

describe.each(["run", "status", "history", "doctor"])("op-pipe %s with a file that is no pipeline", (verb) => {
  it.each(noPipeline)("%s", (file, says) => refused([verb, "--file", file], says))
})

it("nothing was lost", () => {
  expect(files()).toEqual(before)
})

it.each(["commands: () => { throw new Error('mine') }", "checks: async () => { throw new Error('mine') }"])(
  "what a function of the pipeline's throws is the user's, with its place (%s)",
  async (option) => {
    const cwd = path.join(path.dirname(root), "functions")
    makeProject(cwd, undefined, {
      "pipeline.ts": pipeline.replace("profiles: { small: {} }", `profiles: {},\n${option}`),
      "in.txt": ""
    })
    const { code, stderr } = await opPipe(["doctor"], { cwd })
    const file = path.join(cwd, "pipeline.ts")
    expect(stderr).toMatch(/^op-pipe: expected the modules of the pipeline not to throw, but one did: Error: mine\n/u)
    expect(stderr).toMatch(new RegExp(`^    at ${file}:8:\\d+\n$`, "mu"))
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.not.stringMatching(insides) })
  }
)

it("a default that is no Effect is the user's", async () => {
  const cwd = path.join(path.dirname(root), "defaults")
  const text = `import * as Schema from "effect/Schema"
import { Pipeline, Stage } from "./core/index.ts"
const params = Schema.Struct({ count: Schema.Int.pipe(Schema.withDecodingDefaultKey(() => 3)) })
const stage = Stage.command({ name: "c", command: ":", params, inputs: {}, output: {} })
export default Pipeline.make({ name: "p", steps: [Pipeline.step(stage, { inputs: {} })] })
`
  makeProject(cwd, undefined, { "pipeline.ts": text })
  const { code, stderr } = await opPipe(["run"], { cwd })
  expect(stderr).toMatch(
    /^op-pipe: expected Effects from [^\n]* defaults in its Schemas, but found \(\) ?=> ?3\. Give /u
  )
  expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.not.stringMatching(insides) })
})

it("a source that is a pipe, or holds one, is told with what to do", async () => {
  const odd = path.join(path.dirname(root), "odd")
  const folder = pipeline.replace('Artifact.file({ tag: "Text/v1"', 'Artifact.folder({ tag: "Text/v1"')
  makeProject(odd, undefined, { "pipeline.ts": folder, "in.txt/plain": "" })
  const pipe = path.join(odd, "in.txt/pipe")
  execFileSync("mkfifo", [pipe])
  const inside = await opPipe(["run"], { cwd: odd })
  expect(inside).toMatchObject({ code: 2, stdout: "" })
  expect(inside.stderr).toContain(
    `${pipe}: expected a file, a folder or a link, but found a pipe, a socket or a device. Remove it, or leave it out: \`ignore\` of its source`
  )
  const itself = await opPipe(["run", "--data", pipe], { cwd: odd })
  expect(itself).toMatchObject({ code: 2, stdout: "" })
  expect(itself.stderr).toContain("expected a folder, but found a pipe, a socket or a device")
})

it.skipIf(process.getuid?.() !== 0)("a source that the user may not read is told as what it is", async () => {
  const base = mkdtempSync("/tmp/op-pipe-unreadable-")
  try {
    chmodSync(base, 0o755)
    const [hidden, store] = [path.join(base, "hidden.txt"), path.join(base, "store")]
    writeFileSync(hidden, "", { mode: 0o600 })
    mkdirSync(store)
    chownSync(store, 65_534, 65_534)
    chmodSync(path.dirname(root), 0o755)
    const env = { HOME: store, TMPDIR: store }
    const args = ["run", "--data", hidden, "--store", store, "--outputs", path.join(store, "outputs")]
    expect(await opPipe(args, { cwd: root, env, uid: 65_534 })).toMatchObject({
      code: 2,
      stdout: "",
      stderr: `op-pipe: the file ${hidden} for text: expected what you may read, but found that op-pipe could not read ${hidden}: permission denied. Check its permissions\n`
    })
  } finally {
    rmSync(base, { recursive: true })
  }
})

it("a shell that is not installed is told by its name", async () => {
  const cwd = path.join(path.dirname(root), "shell")
  const text = pipeline.replace("inputs: { text: Text }", 'shell: ["no-such-shell"], inputs: { text: Text }')
  makeProject(cwd, undefined, { "pipeline.ts": text, "in.txt": "" })
  for (const sandbox of ["auto", "off"]) {
    const { code, stdout } = await opPipe(["run", `--sandbox=${sandbox}`], { cwd })
    expect(stdout).toContain("Is no-such-shell installed, and on PATH?")
    expect(code).toBe(1)
  }
})

it.skipIf(process.getuid?.() !== 0)("a home that the user may not look into is no bad input", async () => {
  const base = mkdtempSync("/tmp/op-pipe-home-")
  try {
    chmodSync(base, 0o755)
    const [home, store] = [path.join(base, "home"), path.join(base, "store")]
    mkdirSync(home, { mode: 0o700 })
    mkdirSync(store)
    chownSync(store, 65_534, 65_534)
    chmodSync(path.dirname(root), 0o755)
    const env = { HOME: home, TMPDIR: store }
    const args = ["run", "--store", store, "--outputs", path.join(store, "outputs")]
    const { code, stdout, stderr } = await opPipe(args, { cwd: root, env, uid: 65_534 })
    expect(stderr).toBe("")
    expect(code, stdout).toBe(0)
  } finally {
    rmSync(base, { recursive: true })
  }
})
